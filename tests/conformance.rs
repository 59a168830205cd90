//! What a line means, row by row: bytes to the running program over a real socket, and a real scrape back.
//!
//! Each row names the datagrams, the series that must be on the page, and every counter that must have moved. What is
//! expected was worked out by hand from what the lines mean, not copied from the program. A name such as
//! `(exporter 12)` says that other programs are known to read these very bytes in another way.
//!
//! ```text
//! == what the row shows
//! ~ a line of the config file
//! > a datagram, with \n \r \t \\ \xHH, and \{TEXT*N} for a repetition
//! the page: the series lines; also the lines of # TYPE or # HELP where the row has any of that sort
//! = lines=2 c=1 bad_value=1       all that moved; `values` where samples are not as many as lines
//! ```

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use support::{Daemon, Scratch};

// ---- Packets and lines ----

#[test]
fn packets_and_lines() {
    check(
        "packets",
        r##"
== a line without an end
> a:1|c
a_total 1
= lines=1 c=1

== lines with their ends, an empty one among them (exporter 42)
> a:1|c\nb:2|c\n\nc:3|c\n
a_total 1
b_total 2
c_total 3
= lines=3 c=3

== one \r before the end is dropped (exporter 11)
> a:1|c\r\nb:2|g\r\nc:3|c|#k:v\r\nd:4|c|@0.5\r
a_total 1
b 2
c_total{k="v"} 3
d_total 8
= lines=4 c=3 g=1

== but only one
> a:1|c\r\r\nb:1|c
b_total 1
= lines=2 c=1 unknown_type=1

== empty lines are nothing
> \n\n\r\n\r\n\r
=

== an empty datagram is a packet without lines (exporter 42)
>
> a:1|c
a_total 1
= lines=1 c=1

== a line ends with its datagram
> a:1|c\nb:
> 2|c\nc:1|c
a_total 1
c_total 1
= lines=4 c=2 malformed_line=2

== a line of 8192 bytes is read
> a:1|c|x\{y*8185}
a_total 1
= lines=1 c=1 section:x=1

== a line of 8193 bytes is not, and its neighbours are
> a:1|c\nb:1|c|x\{y*8186}\nc:1|c
a_total 1
c_total 1
= lines=3 c=2 line_too_long=1

== the \r does not count, nor does the \n
> a:1|c|x\{y*8185}\r\nb:1|c
a_total 1
b_total 1
= lines=2 c=2 section:x=1

== a line of 60000 bytes costs nothing but itself
> a:1|c\n\{x*60000}\nb:1|c\n\{\x00*5000}
a_total 1
b_total 1
= lines=4 c=2 line_too_long=1 malformed_line=1

== max_line is the owner's
~ intake.max_line = 16
> aaaaaaaaaaaa:1|c\naaaaaaaaaaaaa:1|c\nb:1|c
aaaaaaaaaaaa_total 1
b_total 1
= lines=3 c=2 line_too_long=1

== the largest datagram there can be
> \{a:1|c\n*10917}a:1|c
a_total 10918
= lines=10918 c=10918

== many packets
> a:1|c\na:1|c
> a:1|c
> a:1|c\n
a_total 4
= lines=4 c=4
"##,
    );
}

// ---- Rejected lines ----

/// Each between two good lines, which must be applied, while nothing of the bad one is on the page.
#[test]
fn a_rejected_line_costs_nothing_but_itself() {
    let table = r##"
malformed_line a
malformed_line a:
malformed_line :
malformed_line :1
malformed_line a:1
malformed_line a|c
malformed_line |c
malformed_line 1|c
malformed_line a 1 c
malformed_line |h|#k:v
malformed_line \x00
malformed_line {"a":1}
empty_name :1|c
empty_name :1|g|#k:v
empty_name :+1|g
unknown_type a:1|
unknown_type a:1||c
unknown_type a:1|C
unknown_type a:1|G
unknown_type a:1|MS
unknown_type a:1|t
unknown_type a:1|cc
unknown_type a:1|ct
unknown_type a:1|c\x20
unknown_type a:1| c
unknown_type a:1|@0.5|c
unknown_type a:1|#k:v|c
unknown_type a:1|c:2|c|#k:v
bad_value a:|c
bad_value a: |c
bad_value a:1 |c
bad_value a: 1|c
bad_value a:1\t|c
bad_value a:1 2|c
bad_value a:1o|c
bad_value a:abc|c
bad_value a:NaN|c
bad_value a:nan|c
bad_value a:NaN|g
bad_value a:+NaN|g
bad_value a:NaN|h
bad_value a:NaN|ms
bad_value a:Inf|c
bad_value a:inf|g
bad_value a:-Inf|g
bad_value a:+Inf|g
bad_value a:infinity|h
bad_value a:0x10|c
bad_value a:0x1p4|c
bad_value a:0b1|c
bad_value a:1_000|c
bad_value a:1,5|c
bad_value a:1.2.3|c
bad_value a:.|c
bad_value a:+|g
bad_value a:-|g
bad_value a:+.|g
bad_value a:--1|g
bad_value a:+-1|g
bad_value a:++1|c
bad_value a:1-|c
bad_value a:e5|c
bad_value a:1e|c
bad_value a:1e+|c
bad_value a:1e5e5|c
bad_value a:1e5.5|c
bad_value a:1e400|c
bad_value a:-1e400|g
bad_value a:1e400|ms
bad_value a:\{9*400}|c
bad_value a:\{9*400}.5|h
bad_value a:1e308|c|@0.1
bad_value a:1e308|h|@0.1
bad_value a:-1e308|d|@0.1
bad_value a:٣|c
bad_value a:１|c
bad_sample_rate a:1|c|@
bad_sample_rate a:1|c|@0
bad_sample_rate a:1|c|@0.0
bad_sample_rate a:1|c|@-0
bad_sample_rate a:1|c|@-0.5
bad_sample_rate a:-1|c|@-0.5
bad_sample_rate a:1|c|@2
bad_sample_rate a:1|c|@1.1
bad_sample_rate a:1|c|@1.0000000000000003
bad_sample_rate a:1|c|@9e-10
bad_sample_rate a:1|c|@1e-400
bad_sample_rate a:1|c|@bar
bad_sample_rate a:1|c|@NaN
bad_sample_rate a:1|c|@Inf
bad_sample_rate a:1|c|@0x1
bad_sample_rate a:1|c|@ 0.5
bad_sample_rate a:1|c|@0.5\x20
bad_sample_rate a:1|c|@0,5
bad_sample_rate a:1|c|@1%
bad_sample_rate a:1|m|@0
bad_sample_rate a:1|g|@0
bad_sample_rate a:1|ms|@2
bad_sample_rate a:1|ms|@-0.5
bad_sample_rate a:1|h|@0|#k:v
bad_sample_rate a:1|d|#k:v|@x
bad_sample_rate a:1|c|@0.5|@2
negative_counter a:-1|c
negative_counter a:-0.5|c
negative_counter a:-1|m
negative_counter a:-1|c|@0.5
negative_counter a:-1e-300|c
negative_counter ok:-1|c
reserved_name statsidecar_lines_total:1|c
reserved_name statsidecar_anything:1|g
reserved_name statsidecar.anything:1|ms
reserved_name statsidecar_:1|g
reserved_name statsidecar:1|h
reserved_name statsidecar-x:1|c
reserved_name process_cpu_seconds:1|c
reserved_name process_cpu_seconds_total:1|c
reserved_name process_max_fds:1|g
reserved_name process_open_fds:1|g
reserved_name process.open.fds:1|g
reserved_name process_resident_memory_bytes:1|g
reserved_name process_start_time:1|ms
reserved_name process_threads:1|g
reserved_name process_virtual_memory_bytes:1|h
reserved_name process_virtual_memory_max_bytes:1|g
not_utf8 a\xff:1|c
not_utf8 \xc3:1|c
not_utf8 a:\xff|c
not_utf8 a:1\xff|c
not_utf8 a:1|\xff
not_utf8 a:1|c\xff
not_utf8 a:1|c|@\xff
not_utf8 a:1|c|@0.5\xff
not_utf8 a:1|c|@\xff|@0.5
not_utf8 a:1|c|#k:\xff
not_utf8 a:1|c|#\xff:v
not_utf8 a:1|c|#k:v|\xff|#l:w
not_utf8 a:1|c|c:\xff
not_utf8 a:1|c|T\xff
not_utf8 a:1|c|e:\xff
not_utf8 a:1|c|card:\xff
not_utf8 a:1|c|x\xff
not_utf8 a:1|c|\xff
not_utf8 a:1:2:\xff|c
not_utf8 a:1|c:2|\xff
not_utf8 a:1|c:\xff|g
not_utf8 \xff
not_utf8 a:1|c|#k:\xed\xa0\x80
not_utf8 a:1|c|#k:\xc0\x80
not_utf8 ok:1|c|x\xff
tag_limit a:1|c|#\{t:1,*64}t:1
tag_limit a:1|c|#\{,*64}
tag_limit a:1|c|#\{t:1|#*64}t:1
"##;
    let rows = table.lines().filter(|line| !line.is_empty()).map(|line| {
        let (reason, bytes) = line.split_once(' ').expect("a reason and a line");
        Row {
            name: line.to_owned(),
            packets: vec![unescaped(&format!("ok:1|c\n{bytes}\nok:2|c"))],
            page: vec!["ok_total 3".to_owned()],
            own: tokens(&format!("lines=3 c=2 {reason}=1")),
            ..Row::default()
        }
    });
    run("rejected", rows.collect());
}

// ---- Types, numbers and rates ----

#[test]
fn types_and_values() {
    check(
        "types",
        r##"
== every type, and what it becomes (exporter 1, 2, 7, 8)
~ defaults.buckets = [1]
> a:2|c\nb:3|m\nc:4|g\nd:200|ms\ne:200|h\nf:0.5|d
# TYPE a_total counter
a_total 2
# TYPE b_total counter
b_total 3
# TYPE c gauge
c 4
# TYPE d_seconds histogram
d_seconds_bucket{le="1"} 1
d_seconds_bucket{le="+Inf"} 1
d_seconds_sum 0.2
d_seconds_count 1
# TYPE e histogram
e_bucket{le="1"} 0
e_bucket{le="+Inf"} 1
e_sum 200
e_count 1
# TYPE f histogram
f_bucket{le="1"} 1
f_bucket{le="+Inf"} 1
f_sum 0.5
f_count 1
= lines=6 c=1 m=1 g=1 ms=1 h=1 d=1

== a meter is a counter by another name
> a:1|c\na:2|m
a_total 3
= lines=2 c=1 m=1

== h and d feed one histogram
~ defaults.buckets = [1]
> a:1|h\na:3|d
a_bucket{le="1"} 1
a_bucket{le="+Inf"} 2
a_sum 4
a_count 2
= lines=2 h=1 d=1

== the help of what no rule describes
> a:1|c\nb:1|g\nc:1|h\nc:2|h
# HELP a_total Counter fed by StatsD; no rule gives it a help text.
# TYPE a_total counter
a_total 1
# HELP b Gauge fed by StatsD; no rule gives it a help text.
# TYPE b gauge
b 1
# HELP c Histogram fed by StatsD; no rule gives it a help text.
# TYPE c histogram
c_bucket{le="0.005"} 0
c_bucket{le="0.01"} 0
c_bucket{le="0.025"} 0
c_bucket{le="0.05"} 0
c_bucket{le="0.1"} 0
c_bucket{le="0.25"} 0
c_bucket{le="0.5"} 0
c_bucket{le="1"} 1
c_bucket{le="2.5"} 2
c_bucket{le="5"} 2
c_bucket{le="10"} 2
c_bucket{le="+Inf"} 2
c_sum 3
c_count 2
= lines=4 c=1 g=1 h=2

== a bound belongs to its bucket, and a timer meets it in seconds (exporter 119)
~ defaults.buckets = [0.25, 0.5]
> a:250|ms\na:250.1|ms\na:500|ms\na:501|ms
a_seconds_bucket{le="0.25"} 1
a_seconds_bucket{le="0.5"} 3
a_seconds_bucket{le="+Inf"} 4
a_seconds_sum 1.5011
a_seconds_count 4
= lines=4 ms=4

== a negative observation is below every bound (exporter 21, 119)
~ defaults.buckets = [-1, 0, 1]
> a:-5|ms\nb:-1|h\nb:-2|h
a_seconds_bucket{le="-1"} 0
a_seconds_bucket{le="0"} 1
a_seconds_bucket{le="1"} 1
a_seconds_bucket{le="+Inf"} 1
a_seconds_sum -0.005
a_seconds_count 1
b_bucket{le="-1"} 2
b_bucket{le="0"} 2
b_bucket{le="1"} 2
b_bucket{le="+Inf"} 2
b_sum -3
b_count 2
= lines=3 ms=1 h=2

== an observation with a sign is no relative one
~ defaults.buckets = [1]
> a:+5|h\na:+5|h
a_bucket{le="1"} 0
a_bucket{le="+Inf"} 2
a_sum 10
a_count 2
= lines=2 h=2

== numbers that are (exporter 13, 20)
> a:5|c\nb:+5|c\nc:5.|c\nd:.5|c\ne:1e3|c\nf:1E3|c\ng:2.5e-1|c\nh:1e+2|c\ni:007|c\nj:-0|c\nk:0.0|c\nl:1e-400|c
a_total 5
b_total 5
c_total 5
d_total 0.5
e_total 1000
f_total 1000
g_total 0.25
h_total 100
i_total 7
j_total 0
k_total 0
l_total 0
= lines=12 c=12

== whole numbers are exact, and large ones have no exponent (exporter 35)
> a:9007199254740993|c\nb:18446744073709551615|c\nc:1000000|c\nd:12345678901234567890|c\ne:1000000|g\nf:9007199254740993|c\nf:9007199254740993|c
a_total 9007199254740993
b_total 18446744073709551615
c_total 1000000
d_total 12345678901234567890
e 1000000
f_total 18014398509481986
= lines=7 c=6 g=1

== beyond 2^64 a counter is rounded, and never falls or overflows
> a:18446744073709551615|c\na:1|c\nb:1e300|c\nc:1.7e308|c\nc:1.7e308|c\nc:1|c
a_total 1.8446744073709552e19
b_total 1e300
c_total 1.7976931348623157e308
= lines=6 c=6

== the fractions of a counter are kept (exporter 35, trap 5)
> a:1.5|c\na:1.5|c\nb:0.4|c\nc:0.1|c\nc:0.2|c\nd:2|c\nd:0.25|c
a_total 3
b_total 0.4
c_total 0.30000000000000004
d_total 2.25
= lines=7 c=7

== a gauge is set, or moved where it has a sign (exporter 4, 5)
> a:-10|g\nb:-10|g\nb:+4|g\nc:-10|g\nc:+4|g\nc:7|g\nd:333|g\nd:-10|g\nd:+4|g\ne:+5|g\ne:+5|g\nf:5|g\nf:-0|g\nf:+0|g
a -10
b -6
c 7
d 327
e 10
f 5
= lines=14 g=14

== fractions and large numbers of a gauge
> a:0.1|g\na:+0.2|g\nb:1e18|g\nc:-1.5e-7|g\nd:1e308|g\nd:+1e308|g\ne:-1e308|g\ne:-1e308|g\ne:3|g
a 0.30000000000000004
b 1e18
c -1.5e-7
d 1.7976931348623157e308
e 3
= lines=9 g=9

== one sample cannot spoil a sum (trap 15)
~ defaults.buckets = [1]
> a:1e308|h\na:1e308|h\na:NaN|h\na:-1e308|h
a_bucket{le="1"} 1
a_bucket{le="+Inf"} 3
a_sum 7.976931348623157e307
a_count 3
= lines=4 h=3 bad_value=1
"##,
    );
}

#[test]
fn sample_rates() {
    check(
        "rates",
        r##"
== a counter is divided by the rate (exporter 22, trap 1, trap 6)
> a:1|c|@0.1\nb:3|c|@0.3\nc:1|c|@0.75\nd:1|c|@0.9\ne:1|c|@1\nf:2|c|@1.0\ng:1|m|@0.5\nh:1|c|@0.001\ni:1|c|@1e-2
a_total 10
b_total 10
c_total 1.3333333333333333
d_total 1.1111111111111112
e_total 1
f_total 2
g_total 2
h_total 1000
i_total 100
= lines=9 c=8 m=1

== a rate that has no exact f64 gives whole numbers all the same
> a:1|c|@0.00001\nb:1|c|@1e-9\nc:7|c|@0.00001\nd:1|c|@0.02040816326530612\ne:0.9|c|@0.3
a_total 100000
b_total 1000000000
c_total 700000
d_total 49
e_total 3
= lines=5 c=5

== thirds add up (trap 1)
> \{a:1|c|@0.3\n*3}\{b:1|c|@0.6\n*3}
a_total 10
b_total 5
= lines=6 c=6

== the weight is scaled and not the value, in the buckets too (trap 2, trap 3)
~ defaults.buckets = [0.1, 1]
> a:320|ms|@0.1
a_seconds_bucket{le="0.1"} 0
a_seconds_bucket{le="1"} 10
a_seconds_bucket{le="+Inf"} 10
a_seconds_sum 3.2
a_seconds_count 10
= lines=1 ms=1

== one observation at 0.3 is three and a rest (exporter 30)
~ defaults.buckets = [1]
> a:0|h|@0.3
a_bucket{le="1"} 3
a_bucket{le="+Inf"} 3
a_sum 0
a_count 3
= lines=1 h=1

== two are six and a rest
~ defaults.buckets = [1]
> a:0|h|@0.3\na:0|h|@0.3
a_bucket{le="1"} 6
a_bucket{le="+Inf"} 6
a_sum 0
a_count 6
= lines=2 h=2

== three are ten, and the rest goes to the bucket of the third
~ defaults.buckets = [1]
> a:2|h|@0.3\na:2|h|@0.3\na:1|h|@0.3
a_bucket{le="1"} 4
a_bucket{le="+Inf"} 10
a_sum 16.666666666666668
a_count 10
= lines=3 h=3

== truncated weights would show (exporter 30, trap 1)
~ defaults.buckets = [1]
> \{a:0|h|@0.9\n*9}\{b:0|h|@0.75\n*3}\{c:0|h|@0.6\n*3}\{d:0|h|@0.51\n*51}
a_bucket{le="1"} 10
a_bucket{le="+Inf"} 10
a_sum 0
a_count 10
b_bucket{le="1"} 4
b_bucket{le="+Inf"} 4
b_sum 0
b_count 4
c_bucket{le="1"} 5
c_bucket{le="+Inf"} 5
c_sum 0
c_count 5
d_bucket{le="1"} 100
d_bucket{le="+Inf"} 100
d_sum 0
d_count 100
= lines=66 h=66

== each series carries a rest of its own
~ defaults.buckets = [1]
> a:0|h|@0.6|#k:1\na:0|h|@0.6|#k:2\na:0|h|@0.6|#k:1
a_bucket{k="1",le="1"} 3
a_bucket{k="1",le="+Inf"} 3
a_sum{k="1"} 0
a_count{k="1"} 3
a_bucket{k="2",le="1"} 1
a_bucket{k="2",le="+Inf"} 1
a_sum{k="2"} 0
a_count{k="2"} 1
= lines=3 h=3

== a sum is exact (exporter 31, 32)
~ defaults.buckets = [1]
> a:0.5|ms|@0.1\nb:0.01|h|@0.2|#t:v\nb:0.01|d|@0.2|#t:v
a_seconds_bucket{le="1"} 10
a_seconds_bucket{le="+Inf"} 10
a_seconds_sum 0.005
a_seconds_count 10
b_bucket{t="v",le="1"} 10
b_bucket{t="v",le="+Inf"} 10
b_sum{t="v"} 0.1
b_count{t="v"} 10
= lines=3 ms=1 h=1 d=1

== a rate costs the same whatever it is: two million million observations (exporter 34, trap 4)
~ defaults.buckets = [1]
> \{a:1|h|@1e-9\n*2000}\{b:1|c|@1e-9\n*2000}
a_bucket{le="1"} 2000000000000
a_bucket{le="+Inf"} 2000000000000
a_sum 2000000000000
a_count 2000000000000
b_total 2000000000000
= lines=4000 h=2000 c=2000

== a gauge ignores the rate (exporter 3)
> a:3|g|@0.2\nb:+3|g|@0.5\nb:-1|g|@0.5
a 3
b 2
= lines=3 g=3

== of two rates the last holds (exporter 33)
> a:1|c|@0.5|@0.1
a_total 10
= lines=1 c=1

== a bad rate makes no series, and spoils none (exporter 24, 29)
> a:1|c|@NaN\nb:1|c\nb:1|c|@0\nb:1|c|@0.5
b_total 3
= lines=4 c=2 bad_sample_rate=2
"##,
    );
}

// ---- Sections and packing ----

#[test]
fn sections() {
    check(
        "sections",
        r##"
== sections in any order (exporter 80)
> a:1|c|@0.5|#k:v|c:ci-1|T1656581400|e:it-x,cn-y|card:low\na:1|c|card:low|e:it-x,cn-y|T1656581400|c:ci-1|#k:v|@0.5
a_total{k="v"} 4
= lines=2 c=2

== a timestamp does not change the aggregation (exporter 59, trap 16)
> a:7|g|T2000000000\na:5|g|T1\nb:1|c|T1656581400|@0.5\nc:1|c|T\nd:1|c|#t:v|Tjunk\na:+1|g|T0
a 6
b_total 2
c_total 1
d_total{t="v"} 1
= lines=6 g=3 c=3

== external data and cardinality are known and without effect (exporter 60)
> a:1|c|#t:v|e:it-false,cn-nginx,pu-1\na:1|c|#t:v|card:low\na:1|c|card:|e:|#t:v
a_total{t="v"} 3
= lines=3 c=3

== an unknown section is skipped and counted (exporter 39, 40, trap 11)
> a:1|c|x:9|#k:v|new\na:1|c|#k:v|y\nb:1|c|1|2|3|4|5
a_total{k="v"} 2
b_total 1
= lines=3 c=3 section:x=1 section:n=1 section:y=1 section:1=1 section:2=1 section:3=1 section:4=1 section:5=1

== so is an empty one, and one that begins with no letter or digit (exporter 38)
> a:1|c|\na:1|c||@0.1\na:1|c|!\na:1|c|é
a_total 13
= lines=4 c=4 section:other=4

== what only begins like a known section is unknown (exporter 57)
> a:1|c|c\na:1|c|card\na:1|c|e\na:1|c|cx:1
a_total 4
= lines=4 c=4 section:c=3 section:e=1

== an unknown section counts for every line, and for a rejected one
> \{a:1|c|x\n*3}a:z|c|x
a_total 3
= lines=4 c=3 bad_value=1 section:x=4

== the container is no label by default (exporter 54, 58)
> a:1|c|c:abc\na:1|c|c:def\na:1|c\na:1:2|c|c:abc\na:1|c|#|c:abc
a_total 7
= lines=5 c=6 values=6

== it becomes container_id where the owner wants it (exporter 54, 55, 56)
~ defaults.container_label = true
> a:100|c|#t:v|c:abc\na:100|c|c:abc|#t:v\na:1|c|c:sha256:ab\na:1|c|c:in-7\na:1|c\na:1|c|c:\nb:1|c|@0.1|#s:x|c:id
a_total 2
a_total{container_id="abc",t="v"} 200
a_total{container_id="in-7"} 1
a_total{container_id="sha256:ab"} 1
b_total{container_id="id",s="x"} 10
= lines=7 c=7

== a tag of that name is kept where the line names no container
~ defaults.container_label = true
> a:1|c|#container_id:x\na:1|c|#container_id:x|c:y
a_total{container_id="x"} 1
a_total{container_id="y"} 1
= lines=2 c=2

== several tag sections are one (exporter 80)
> a:1|c|#a:b|#c:d\na:1|c|#a:b|@0.5|#c:d\na:1|c|#a:b|c:x|T1|#c:d
a_total{a="b",c="d"} 4
= lines=3 c=3
"##,
    );
}

#[test]
fn packed_values() {
    check(
        "packed",
        r##"
== several values of one type (exporter 45, 46, 47)
~ defaults.buckets = [1]
> a:1:2:3|ms\nb:0.5:120:3000|h|#t:v\nb:0.5:120|d|#t:v\nc:1:2|ms|@0.5|#t:v
a_seconds_bucket{le="1"} 3
a_seconds_bucket{le="+Inf"} 3
a_seconds_sum 0.006
a_seconds_count 3
b_bucket{t="v",le="1"} 2
b_bucket{t="v",le="+Inf"} 5
b_sum{t="v"} 3241
b_count{t="v"} 5
c_seconds_bucket{t="v",le="1"} 4
c_seconds_bucket{t="v",le="+Inf"} 4
c_seconds_sum{t="v"} 0.006
c_seconds_count{t="v"} 4
= lines=4 ms=5 h=3 d=2 values=10

== of counters and gauges too (exporter 48)
> a:1:2|c\nb:0.5:1|g|#t:v\nc:5:+2:-1|g\nd:1:2|c|@0.5\ne:1:2:3|m
a_total 3
b{t="v"} 1
c 6
d_total 6
e_total 6
= lines=5 c=4 g=5 m=3 values=12

== one bad value loses only itself (exporter 49, 50, 51)
~ defaults.buckets = [1]
> a::1|c\nb:1:2:|h\nc:1:x|ms\nd:1:NaN:2|c\ne:1:-1:2|c\nf: 1:2|c
a_total 1
b_bucket{le="1"} 1
b_bucket{le="+Inf"} 2
b_sum 3
b_count 2
c_seconds_bucket{le="1"} 1
c_seconds_bucket{le="+Inf"} 1
c_seconds_sum 0.001
c_seconds_count 1
d_total 3
e_total 3
f_total 2
= lines=6 c=6 h=2 ms=1 bad_value=5 negative_counter=1 values=15

== where all are bad there is no series
> a:x:y|c\nb:-1:-2|c\nc::|g
= lines=3 bad_value=4 negative_counter=2 values=6

== what is wrong with the whole line counts for each value
> a:1:2|c|@0\n:1:2:3|c\nstatsidecar_x:1:2|g
= lines=3 bad_sample_rate=2 empty_name=3 reserved_name=2 values=7

== a line that cannot be taken apart counts once
> a:1:2|x\na:1:2
= lines=2 unknown_type=1 malformed_line=1

== tags of packed values are looked at once
> a:1:2:3|c|#k:,t:v
a_total{t="v"} 6
= lines=1 c=3 tag:empty_value=1 values=3

== the older packing (exporter 6, 43)
~ defaults.buckets = [1]
> a:200|ms:300|ms:5|c|@0.1:6|g\nb:5|g:+2|g:-1|g
a 6
a_seconds_bucket{le="1"} 2
a_seconds_bucket{le="+Inf"} 2
a_seconds_sum 0.5
a_seconds_count 2
a_total 50
b 6
= lines=2 ms=2 c=1 g=4 values=7

== a rate belongs to its own pair (exporter 44)
~ defaults.buckets = [1]
> a:1|h:2|h|@0.5\nb:1|c|@0.5:1|c
a_bucket{le="1"} 1
a_bucket{le="+Inf"} 3
a_sum 5
a_count 3
b_total 3
= lines=2 h=2 c=2 values=4

== both packings in one line (exporter 52)
~ defaults.buckets = [1]
> a:1:2|ms:3|ms
a_seconds_bucket{le="1"} 3
a_seconds_bucket{le="+Inf"} 3
a_seconds_sum 0.006
a_seconds_count 3
= lines=1 ms=3 values=3

== a bad pair loses only itself
> a:1|c:x|c:3|c\nb:1|x:2|c\nc:1|c:2\nd:1|c:\ne:1|c|@0:2|c
a_total 4
b_total 2
c_total 1
d_total 1
e_total 2
= lines=5 c=6 bad_value=1 unknown_type=1 malformed_line=2 bad_sample_rate=1 values=11

== a line with tags is not packed that way: the colon is a tag's (exporter 81)
> a:1|c|#a:b:2|c
a_total{a="b:2"} 1
= lines=1 c=1 section:c=1

== the samples of a line share no labels (exporter 115)
~ [[metric]]
~ match = "k"
~ labels = { kind = "x" }
> k:1|c:2|g\nl:1|c:2|g
k{kind="x"} 2
k_total{kind="x"} 1
l 2
l_total 1
= lines=2 c=2 g=2 mapped=2 values=4
"##,
    );
}

// ---- Tags and names ----

#[test]
fn tags() {
    check(
        "tags",
        r##"
== tags are labels, sorted by their keys
> a:1|c|#t2:y,t1:x\nb:1|g|#09digits:0,tag.with.dots:1
a_total{t1="x",t2="y"} 1
b{_09digits="0",tag_with_dots="1"} 1
= lines=2 c=1 g=1

== in any order they are the same series
> a:1|c|#a:1,b:2,c:3\na:1|c|#c:3,b:2,a:1\na:1|c|#b:2|#c:3,a:1
a_total{a="1",b="2",c="3"} 3
= lines=3 c=3

== a value is all after the first separator (exporter 68)
> a:1|c|#url:http://x:80\nb:1|c|#t:foo:bar\nc:1|c|#t:a=b\nd:1|c|#t:v:\ne:1|c|#t::v
a_total{url="http://x:80"} 1
b_total{t="foo:bar"} 1
c_total{t="a=b"} 1
d_total{t="v:"} 1
e_total{t=":v"} 1
= lines=5 c=5

== a tag without a value is true (exporter 65, 66)
> a:1|c|#prod\nb:1|c|#prod,t:v\nc:1|c|#prod,staging
a_total{prod="true"} 1
b_total{prod="true",t="v"} 1
c_total{prod="true",staging="true"} 1
= lines=3 c=3

== a # before each tag is no part of it (exporter 63)
> a:1|c|#t1:x,#t2:y,#z
a_total{t1="x",t2="y",z="true"} 1
= lines=1 c=1

== an empty tag is left out and counted (exporter 67)
> a:1|c|#t:v,\na:1|c|#t:v,,\na:1|c|#,t:v\na:1|c|#t:v,#\na:1|c|#:,t:v
a_total{t="v"} 5
= lines=5 c=5 tag:empty_tag=6

== an empty key or value too (exporter 67)
> a:1|c|#:v\na:1|c|#t:\na:1|c|#:v,t:,u:w
a_total 2
a_total{u="w"} 1
= lines=3 c=3 tag:empty_key=2 tag:empty_value=2

== no tags at all are no error
> a:1|c|#\na:1|c|#|#\na:1|c|#|@0.5
a_total 4
= lines=3 c=3

== the same key twice: the last wins, and it is counted (exporter 70)
> a:1|c|#t:1,t:2\na:1|c|#t:1|#t:2\nb:1|c|#a.b:1,a-b:2\nc:1|c|#t:1,t:2,t:3
a_total{t="2"} 2
b_total{a_b="2"} 1
c_total{t="3"} 1
= lines=4 c=4 tag:duplicate_key=5

== what is counted is counted for every line
> \{a:1|c|#t:1,t:2\n*4}
a_total{t="2"} 4
= lines=4 c=4 tag:duplicate_key=4

== but not for a line that is rejected
> a:1|c|#t:1,t:2\na:-1|c|#t:1,t:2\na:1|c|#t:1,t:2|@0\nb:-1|c|#t:1,t:2
a_total{t="2"} 1
= lines=4 c=1 negative_counter=2 bad_sample_rate=1 tag:duplicate_key=1

== labels that are Prometheus's own are renamed (exporter 84, 85)
~ defaults.buckets = [1]
> a:1|c|#__name__:y\na:1|c|#__x:y\nb:1|h|#le:0.5\nb:1|h|#quantile:0.9\nc:1|g|#--x:1\nd:1|c|#_x:1
a_total{exported___name__="y"} 1
a_total{exported___x="y"} 1
b_bucket{exported_le="0.5",le="1"} 1
b_bucket{exported_le="0.5",le="+Inf"} 1
b_sum{exported_le="0.5"} 1
b_count{exported_le="0.5"} 1
b_bucket{exported_quantile="0.9",le="1"} 1
b_bucket{exported_quantile="0.9",le="+Inf"} 1
b_sum{exported_quantile="0.9"} 1
b_count{exported_quantile="0.9"} 1
c{exported___x="1"} 1
d_total{_x="1"} 1
= lines=6 c=3 h=2 g=1 tag:reserved_key=5

== and may then be a duplicate
> a:1|c|#le:1,exported_le:2
a_total{exported_le="2"} 1
= lines=1 c=1 tag:reserved_key=1 tag:duplicate_key=1

== values are kept as they are, and escaped (exporter 78)
> a:1|c|#k:"q\\u"\nb:1|c|#k:é ü\tx\nc:1|c|#k:{}=#;\nd:1|c|#k:\x00
a_total{k="\"q\\u\""} 1
b_total{k="é ü	x"} 1
c_total{k="{}=#;"} 1
d_total{k="^@"} 1
= lines=4 c=4

== keys are made legal like names (exporter 79)
> a:1|c|#é:1\nb:1|c|#a b:1,A-B.C:2\nc:1|c|#1:1\nd:1|c|#k\\":1
a_total{_="1"} 1
b_total{A_B_C="2",a_b="1"} 1
c_total{_1="1"} 1
d_total{k__="1"} 1
= lines=4 c=4

== 64 tags are not too many
> a:1|c|#\{t:1,*63}t:1
a_total{t="1"} 1
= lines=1 c=1 tag:duplicate_key=63

== how many a line may carry is the owner's
~ limits.tags = 2
> a:1|c|#a:1,b:2\na:1|c|#a:1,b:2,c:3\na:1|c|#a:1,b:2
a_total{a="1",b="2"} 2
= lines=3 c=2 tag_limit=1
"##,
    );
}

#[test]
fn names() {
    check(
        "names",
        r##"
== each character that is not allowed becomes _ (exporter 12, 82)
> a.*.m:1|c\na--x---y:1|c\n0a:1|c\na/x z:1|c\nwith😱e:1|c\nA.UP:1|c\n b:1|c\né:1|c\n.:1|c\na\x00b:1|c\na|b@c:1|c
A_UP_total 1
_0a_total 1
__total 2
_b_total 1
a___m_total 1
a__x___y_total 1
a_b_c_total 1
a_b_total 1
a_x_z_total 1
with_e_total 1
= lines=11 c=11

== verbatim: a run of dashes is one _, and nothing is added (exporter 82)
~ defaults.naming = "verbatim"
~ defaults.buckets = [1]
> a.*.m:1|c\na--x---y:1|c\n0a:1|c\na/x z:1|c\nwith😱e:1|c\nA.UP:1|c\n b:1|c\na-_-b:1|c|#k--l:1\nt:1|ms
A_UP 1
_0a 1
_b 1
a___b{k_l="1"} 1
a___m 1
a_x_y 1
a_x_z 1
t_bucket{le="1"} 1
t_bucket{le="+Inf"} 1
t_sum 0.001
t_count 1
with_e 1
= lines=9 c=8 ms=1

== names that escape to the same are the same series
> a.b:1|c\na-b:2|c\na_b:4|c\na b_total:8|c
a_b_total 15
= lines=4 c=4

== a suffix is added only where it lacks
~ defaults.buckets = [1]
> a_total:1|c\nb.total:1|c\ntotal:1|c\nctotal:1|c\nd_seconds:1|ms\ne.seconds:1|ms\nseconds:1|ms\nf_total:1|g\ng_seconds:1|h\nh_total_:1|m
a_total 1
b_total 1
ctotal_total 1
d_seconds_bucket{le="1"} 1
d_seconds_bucket{le="+Inf"} 1
d_seconds_sum 0.001
d_seconds_count 1
e_seconds_bucket{le="1"} 1
e_seconds_bucket{le="+Inf"} 1
e_seconds_sum 0.001
e_seconds_count 1
f_total 1
g_seconds_bucket{le="1"} 1
g_seconds_bucket{le="+Inf"} 1
g_seconds_sum 1
g_seconds_count 1
h_total__total 1
seconds_seconds_bucket{le="1"} 1
seconds_seconds_bucket{le="+Inf"} 1
seconds_seconds_sum 0.001
seconds_seconds_count 1
total_total 1
= lines=10 c=4 ms=3 g=1 h=1 m=1

== brackets in the wrong order kill nobody (exporter 75)
> a]b[:1|c
a_b__total 1
= lines=1 c=1

== names that are near a reserved one are free (exporter 97)
> statsidecars:1|c\nprocess_open:1|g\nprocess_open_fds:1|c\ngo_goroutines:1|g\nstatsidecar:1|c\nmy_statsidecar_x:1|g
go_goroutines 1
my_statsidecar_x 1
process_open 1
process_open_fds_total 1
statsidecars_total 1
= lines=6 c=2 g=3 reserved_name=1

== a long name
> \{n*200}:1|g
nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn 1
= lines=1 g=1
"##,
    );
}

// ---- Types that are declared, conflicts, limits ----

#[test]
fn declared_types() {
    check(
        "declared",
        r##"
== a gauge that clients move up and down with c
~ [[metric]]
~ match = "workers"
~ type = "gauge"
> workers:3|c\nworkers:-1|c\nworkers:+2|g\nworkers:1|c|@0.5
# TYPE workers gauge
workers 6
= lines=4 c=3 g=1 mapped=4

== and set with g
~ [[metric]]
~ match = "workers"
~ type = "gauge"
> workers:3|c\nworkers:10|g\nworkers:-1.5|c
workers 8.5
= lines=3 c=2 g=1 mapped=3

== nothing else feeds a gauge
~ [[metric]]
~ match = "a"
~ type = "gauge"
> a:1|m\na:1|ms\na:1|h\na:1|d\na:7|g
a 7
= lines=5 g=1 type_conflict=4 mapped=1

== a counter takes c and m
~ [[metric]]
~ match = "a"
~ type = "counter"
> a:1|g\na:1|c\na:1|ms\na:2|m\na:1|h\na:1|d\na:-1|c
# TYPE a_total counter
a_total 3
= lines=7 c=1 m=1 type_conflict=4 negative_counter=1 mapped=2

== a histogram takes ms as seconds, h and d
~ defaults.buckets = [1]
~ [[metric]]
~ match = "a"
~ name = "b"
~ type = "histogram"
> a:500|ms\na:2|h\na:1|c\na:1|m\na:1|g\na:3|d
# TYPE b histogram
b_bucket{le="1"} 1
b_bucket{le="+Inf"} 3
b_sum 5.5
b_count 3
= lines=6 ms=1 h=1 d=1 type_conflict=3 mapped=3

== what is no number is a bad value, whatever it was meant to feed
~ [[metric]]
~ match = "a"
~ type = "gauge"
> a:x|ms\na:1|ms
= lines=2 bad_value=1 type_conflict=1
"##,
    );
}

#[test]
fn conflicts() {
    check(
        "conflicts",
        r##"
== the same name with another type: the first stays (exporter 92)
~ defaults.naming = "verbatim"
> d:1|c\nd:1|g\nd:1|ms\nd:1|h\nd:2|c\nd:5|m
# TYPE d counter
d 8
= lines=6 c=2 m=1 type_conflict=3

== in the other order too
~ defaults.naming = "verbatim"
> d:1|g\nd:1|c\nd:1|d\nd:3|g
# TYPE d gauge
d 3
= lines=4 g=2 type_conflict=2

== a histogram first
~ defaults.naming = "verbatim"
~ defaults.buckets = [1]
> d:1|h\nd:1|c\nd:1|g\nd:1000|ms
d_bucket{le="1"} 2
d_bucket{le="+Inf"} 2
d_sum 2
d_count 2
= lines=4 h=1 ms=1 type_conflict=2

== with other labels it is a conflict all the same
~ defaults.naming = "verbatim"
> d:1|c|#k:v\nd:1|g\nd:1|g|#l:w
d{k="v"} 1
= lines=3 c=1 type_conflict=2

== the suffixes keep a counter, a gauge and a timer of one name apart
~ defaults.buckets = [1]
> d:1|c\nd:1|g\nd:1|ms
d 1
d_seconds_bucket{le="1"} 1
d_seconds_bucket{le="+Inf"} 1
d_seconds_sum 0.001
d_seconds_count 1
d_total 1
= lines=3 c=1 g=1 ms=1

== but not from a name that has the suffix
> d_total:1|g\nd:1|c
d_total 1
= lines=2 g=1 type_conflict=1

== other label names are fine (exporter 92, 116, trap 13)
> d:1|c\nd:1|c|#a:b\nd:1|c|#a:b,c:d\nd:1|c|#e:f
d_total 1
d_total{a="b",c="d"} 1
d_total{a="b"} 1
d_total{e="f"} 1
= lines=4 c=4

== what a histogram exposes is its own (exporter 93, 96)
~ defaults.naming = "verbatim"
~ defaults.buckets = [1]
> x:1|h\nx_count:1|g\nx_sum:1|c\nx_bucket:1|g\nx_count:1|h\nx_sum:1|ms\nx:1|h
x_bucket{le="1"} 2
x_bucket{le="+Inf"} 2
x_sum 2
x_count 2
= lines=7 h=2 name_collision=5

== and what was there before is not for a histogram to take: _count (exporter 94)
> x_count:1|g\nx:1|h\nx_count:2|g
x_count 2
= lines=3 g=2 name_collision=1

== _sum
> x_sum:1|g\nx:1|d
x_sum 1
= lines=2 g=1 name_collision=1

== _bucket
> x_bucket:1|g\nx:1|d\nx_bucket:+1|g
x_bucket 2
= lines=3 g=2 name_collision=1

== histograms among themselves (exporter 96)
~ defaults.buckets = [1]
> x_count:1|h\nx:1|h
x_count_bucket{le="1"} 1
x_count_bucket{le="+Inf"} 1
x_count_sum 1
x_count_count 1
= lines=2 h=1 name_collision=1

== a timer's are those with its unit
~ defaults.buckets = [1]
> x:1|ms\nx_seconds_count:1|g\nx_count:1|g
x_count 1
x_seconds_bucket{le="1"} 1
x_seconds_bucket{le="+Inf"} 1
x_seconds_sum 0.001
x_seconds_count 1
= lines=3 ms=1 g=1 name_collision=1

== gauges and counters own nothing beside their names (exporter 95)
> x:1|g\nx_count:1|g\nx_sum:1|c\nx_bucket:1|g\ny_count:1|g\ny_sum:1|g\ny:1|g\nz:1|c\nz_count:1|g\nz_total_count:1|g
x 1
x_bucket 1
x_count 1
x_sum_total 1
y 1
y_count 1
y_sum 1
z_count 1
z_total 1
z_total_count 1
= lines=10 g=8 c=2

== suffixes that are not a histogram's are free
~ defaults.buckets = [1]
> x:1|h\nx_counts:1|g\nx_max:1|g\nx_total:1|c\nxcount:1|g
x_bucket{le="1"} 1
x_bucket{le="+Inf"} 1
x_sum 1
x_count 1
x_counts 1
x_max 1
x_total 1
xcount 1
= lines=5 h=1 g=3 c=1

== the first help holds (exporter 116)
~ [[metric]]
~ match = "a.*"
~ name = "a"
~ help = "The first."
~ labels = { x = "$1" }
~ [[metric]]
~ match = "b.*"
~ name = "a"
~ help = "The second."
~ labels = { y = "$1" }
> a.1:1|g\nb.1:2|g\na:3|g
# HELP a The first.
# TYPE a gauge
a 3
a{x="1"} 1
a{y="1"} 2
= lines=3 g=3 mapped=2

== whichever comes first
~ [[metric]]
~ match = "a.*"
~ name = "a"
~ help = "The first."
~ [[metric]]
~ match = "b.*"
~ name = "a"
~ help = "The second."
> b.1:1|g\na.1:2|g
# HELP a The second.
# TYPE a gauge
a 2
= lines=2 g=2 mapped=2

== the first buckets hold (exporter 117)
~ [[metric]]
~ match = "a.*"
~ name = "a"
~ buckets = [1, 2]
~ labels = { x = "$1" }
~ [[metric]]
~ match = "b.*"
~ name = "a"
~ buckets = [5]
~ labels = { y = "$1" }
> a.1:1.5|h\nb.1:1.5|h
a_bucket{x="1",le="1"} 0
a_bucket{x="1",le="2"} 1
a_bucket{x="1",le="+Inf"} 1
a_sum{x="1"} 1.5
a_count{x="1"} 1
a_bucket{y="1",le="1"} 0
a_bucket{y="1",le="2"} 1
a_bucket{y="1",le="+Inf"} 1
a_sum{y="1"} 1.5
a_count{y="1"} 1
= lines=2 h=2 mapped=2

== a help of several lines is one (exporter 118)
~ [[metric]]
~ match = "a"
~ help = "One\ntwo \\ \"three\"."
> a:1|g
# HELP a One\ntwo \\ "three".
# TYPE a gauge
a 1
= lines=1 g=1 mapped=1
"##,
    );
}

#[test]
fn limits() {
    check(
        "limits",
        r##"
== at the limit the series that exist keep working
~ limits.series = 2
> a:1|c\nb:1|g\nc:1|c\na:1|c\nb:2|g\nc:2|c\na:1|c|#k:v
a_total 2
b 2
= lines=7 c=2 g=2 series_limit=3

== each packed value over the limit counts
~ limits.series = 1
> a:1|c\nb:1:2:3|c
a_total 1
= lines=2 c=1 series_limit=3 values=4

== a name may have a limit of its own
~ limits.family_series = 2
> a:1|c|#k:1\na:1|c|#k:2\na:1|c|#k:3\nb:1|c|#k:3\na:1|c|#k:1\na:1|c
a_total{k="1"} 2
a_total{k="2"} 1
b_total{k="3"} 1
= lines=6 c=4 family_series_limit=2

== a conflict is one at the limit too
~ limits.series = 1
~ defaults.naming = "verbatim"
> a:1|c\na:1|g\na_count:1|g
a 1
= lines=3 c=1 type_conflict=1 series_limit=1

== init series count
~ limits.series = 2
~ [[metric]]
~ match = "a"
~ name = "a_total"
~ type = "counter"
~ init = [{ k = "1" }, { k = "2" }]
> a:1|c|#k:1\na:1|c|#k:3
a_total{k="1"} 1
a_total{k="2"} 0
= lines=2 c=1 series_limit=1 mapped=1

== a bad sample takes no place
~ limits.series = 1
> a:-1|c\nb:1|c|@0\nc:x|c\nd:1|c
d_total 1
= lines=4 c=1 negative_counter=1 bad_sample_rate=1 bad_value=1
"##,
    );
}

// ---- Rules ----

#[test]
fn rules() {
    check(
        "rules",
        r##"
== captures become labels (exporter 99)
~ [[metric]]
~ match = "test.dispatcher.*.*.*"
~ name = "dispatch"
~ labels = { processor = "$1", action = "$2", job = "t_${3}" }
> test.dispatcher.Foo.send.ok:1|c\ntest.dispatcher.Foo.send:1|c
dispatch{action="send",job="t_ok",processor="Foo"} 1
test_dispatcher_Foo_send_total 1
= lines=2 c=2 mapped=1

== templates (exporter 100, 106)
~ [[metric]]
~ match = "t.*.*"
~ labels = { a = "$1_foo", b = "$1$2", c = "$0", d = "$$1", e = "$1%", f = "${1}0", g = "$1-$2", h = "plain" }
> t.x.y:1|g
t_x_y{a="x_foo",b="xy",c="t.x.y",d="$1",e="x%",f="x0",g="x-y",h="plain"} 1
= lines=1 g=1 mapped=1

== ten captures and more (exporter 106)
~ [[metric]]
~ match = "*.*.*.*.*.*.*.*.*.*.*"
~ name = "t"
~ labels = { a = "$1-$10", b = "${1}-${11}" }
> a.b.c.d.e.f.g.h.i.j.k:1|g
t{a="a-j",b="a-k"} 1
= lines=1 g=1 mapped=1

== a name out of captures is made legal (exporter 107)
~ [[metric]]
~ match = "svc.*"
~ name = "svc_${1}_total"
~ [[metric]]
~ match = "n.*"
~ name = "$1"
~ [[metric]]
~ match = "z.**"
~ name = "${1}"
> svc.a-b/c:1|c\nn.123:1|g\nn.le:1|g\nz.a.b--c:1|g\nn.:1|g
_123 1
a_b__c 1
le 1
svc_a_b_c_total 1
= lines=5 c=1 g=3 empty_name=1 mapped=4

== it can be no reserved one
~ [[metric]]
~ match = "n.*"
~ name = "${1}_fds"
~ [[metric]]
~ match = "m.*"
~ name = "statsidecar_$1"
> n.process_open:1|g\nm.x:1|g\nn.x:1|g
x_fds 1
= lines=3 g=1 reserved_name=2 mapped=1

== a name that a rule writes out is used as it stands
~ [[metric]]
~ match = "a"
~ name = "jobs:done"
~ [[metric]]
~ match = "b"
~ name = "took"
~ buckets = [1]
> a:1|c\nb:500|ms
jobs:done 1
took_bucket{le="1"} 1
took_bucket{le="+Inf"} 1
took_sum 0.5
took_count 1
= lines=2 c=1 ms=1 mapped=2

== a rule without a name leaves the line's own
~ [[metric]]
~ match = "a.*"
~ help = "Help."
> a.b:1|c\na.c:1|g
# HELP a_b_total Help.
# TYPE a_b_total counter
a_b_total 1
# HELP a_c Help.
# TYPE a_c gauge
a_c 1
= lines=2 c=1 g=1 mapped=2

== the first match in file order wins (exporter 101)
~ [[metric]]
~ match = "order.*.*"
~ name = "first"
~ [[metric]]
~ match = "order.*.bbb"
~ name = "second"
> order.x.bbb:1|g\norder.x.ccc:2|g
first 2
= lines=2 g=2 mapped=2

== also where it is the wider one that comes last
~ [[metric]]
~ match = "order.ccc.bbb"
~ name = "first"
~ [[metric]]
~ match = "order.*.bbb"
~ name = "second"
~ [[metric]]
~ match = "order.*.*"
~ name = "third"
> order.ccc.bbb:1|g\norder.x.bbb:2|g\norder.ccc.zzz:3|g
first 1
second 2
third 3
= lines=3 g=3 mapped=3

== a branch that fails leaves nothing behind (exporter 102, 103)
~ [[metric]]
~ match = "bt.*.bbb"
~ name = "first"
~ labels = { x = "$1" }
~ [[metric]]
~ match = "bt.just.aaa"
~ name = "second"
~ labels = { x = "$0" }
~ [[metric]]
~ match = "*.just.*"
~ name = "third"
~ labels = { x = "$1-$2" }
> bt.just.bbb:1|g\nbt.just.aaa:2|g\nbt.just.ccc:3|g
first{x="just"} 1
second{x="bt.just.aaa"} 2
third{x="bt-ccc"} 3
= lines=3 g=3 mapped=3

== a rule that is the start of another one matches (exporter 104)
~ [[metric]]
~ match = "a.b.c"
~ name = "long"
~ [[metric]]
~ match = "a.b"
~ name = "short"
> a.b:1|g\na.b.c:2|g\na:3|g
a 3
long 2
short 1
= lines=3 g=3 mapped=2

== of two that overlap the first (exporter 105)
~ [[metric]]
~ match = "a.*"
~ name = "first"
~ [[metric]]
~ match = "*.b"
~ name = "second"
> a.b:1|g\nx.b:2|g\na.x:3|g
first 3
second 2
= lines=3 g=3 mapped=3

== every form of a glob
~ [[metric]]
~ match = "p.a*"
~ name = "begins"
~ labels = { x = "$1" }
~ [[metric]]
~ match = "p.*z"
~ name = "ends"
~ labels = { x = "$1" }
~ [[metric]]
~ match = "p.k*l*m"
~ name = "holds"
~ labels = { x = "$1", y = "$2" }
~ [[metric]]
~ match = "q.*.**"
~ name = "rest"
~ labels = { x = "$1", y = "$2" }
~ [[metric]]
~ match = "*"
~ name = "one"
~ labels = { x = "$1" }
> p.abc:1|g\np.xyz:2|g\np.k1l2m:3|g\nq.r.s.t.u:4|g\nq:5|g\nq.r:6|g\np.b:7|g\np.a.b:8|g\np.a:9|g
begins 9
begins{x="bc"} 1
ends{x="xy"} 2
holds{x="1",y="2"} 3
one{x="q"} 5
p_a_b 8
p_b 7
q_r 6
rest{x="r",y="s.t.u"} 4
= lines=9 g=9 mapped=6

== ** alone takes everything
~ [[metric]]
~ match = "**"
~ name = "all"
~ labels = { x = "$1" }
> a:1|g\na.b.c:2|g
all{x="a"} 1
all{x="a.b.c"} 2
= lines=2 g=2 mapped=2

== names are matched as they came: case, blanks and slashes (exporter 110)
~ [[metric]]
~ match = "Jobs.*"
~ name = "jobs"
~ labels = { x = "$1" }
> Jobs.a b/c:1|g\njobs.a:2|g
jobs{x="a b/c"} 1
jobs_a 2
= lines=2 g=2 mapped=1

== a rule's label beats a tag, and a tag it does not set stays (exporter 114)
~ [[metric]]
~ match = "a.*"
~ name = "a"
~ labels = { job = "$1" }
> a.rule:1|g|#job:tag,k:v
a{job="rule",k="v"} 1
= lines=1 g=1 mapped=1

== a label without a value is none
~ [[metric]]
~ match = "a*"
~ name = "x"
~ labels = { rest = "$1" }
> a:1|g\na:2|g|#rest:tag\nab:3|g
x 2
x{rest="b"} 3
= lines=3 g=3 mapped=3

== drop (exporter 112)
~ [[metric]]
~ match = "debug.keep"
~ [[metric]]
~ match = "debug.**"
~ drop = true
> debug.a:1|c\ndebug.a.b:1:2|ms\ndebug.keep:1|c\nok:1|c\ndebug.a:1|c|#t:1,t:2
debug_keep_total 1
ok_total 1
= lines=5 c=2 dropped=4 mapped=1 values=6

== what is no number is rejected before a rule drops it
~ [[metric]]
~ match = "debug.**"
~ drop = true
> debug.a:x|c\ndebug.a:1|zz\n:1|c
= lines=3 bad_value=1 unknown_type=1 empty_name=1

== scale (exporter 113)
~ [[metric]]
~ match = "kb"
~ scale = 1024
~ [[metric]]
~ match = "n"
~ scale = -1
~ [[metric]]
~ match = "t"
~ scale = 1000
~ name = "t"
~ buckets = [5, 6]
~ [[metric]]
~ match = "us"
~ name = "us_seconds"
~ scale = 1e-6
~ buckets = [1, 2]
> kb:2|c\nkb:1|c|@0.5\nkb:2|g\nkb:-1|g\nn:5|c\nn:-5|c\nt:5|ms\nus:1500000|h
kb 1024
kb_total 4096
n_total 5
t_bucket{le="5"} 1
t_bucket{le="6"} 1
t_bucket{le="+Inf"} 1
t_sum 5
t_count 1
us_seconds_bucket{le="1"} 0
us_seconds_bucket{le="2"} 1
us_seconds_bucket{le="+Inf"} 1
us_seconds_sum 1.5
us_seconds_count 1
= lines=8 c=3 g=2 ms=1 h=1 negative_counter=1 mapped=7

== what overflows by its scale is no value
~ [[metric]]
~ match = "a"
~ scale = 1e300
> a:1e10|c\na:1e10|g\na:1e10|h\na:1|g
a 1e300
= lines=4 g=1 bad_value=3 mapped=1

== init: at 0 before the first line
~ [[metric]]
~ match = "jobs.*"
~ name = "jobs_total"
~ type = "counter"
~ labels = { table = "$1" }
~ init = [{ table = "raw" }, { table = "done" }]
~ [[metric]]
~ match = "depth"
~ name = "depth"
~ type = "gauge"
~ help = "How deep."
~ init = [{}]
~ [[metric]]
~ match = "took"
~ name = "took_seconds"
~ type = "histogram"
~ buckets = [1]
~ labels = { stage = "load" }
~ init = [{ kind = "a" }]
> jobs.raw:2|c
# TYPE depth gauge
depth 0
# TYPE jobs_total counter
jobs_total{table="done"} 0
jobs_total{table="raw"} 2
# TYPE took_seconds histogram
took_seconds_bucket{kind="a",stage="load",le="1"} 0
took_seconds_bucket{kind="a",stage="load",le="+Inf"} 0
took_seconds_sum{kind="a",stage="load"} 0
took_seconds_count{kind="a",stage="load"} 0
= lines=1 c=1 mapped=1

== init series are there without any line, and the lines find them
~ [labels]
~ team = "x"
~ [[metric]]
~ match = "took"
~ name = "took_seconds"
~ type = "histogram"
~ buckets = [1]
~ init = [{ kind = "a" }]
>
took_seconds_bucket{kind="a",team="x",le="1"} 0
took_seconds_bucket{kind="a",team="x",le="+Inf"} 0
took_seconds_sum{kind="a",team="x"} 0
took_seconds_count{kind="a",team="x"} 0
=

== constant labels are on every series, and beat a tag
~ [labels]
~ team = "data"
~ [[metric]]
~ match = "r"
~ labels = { team = "rule" }
> a:1|c\na:1|c|#team:tag,k:v\nr:1|g\nr:2|g|#team:tag
a_total{k="v",team="data"} 1
a_total{team="data"} 1
r{team="rule"} 2
= lines=4 c=2 g=2 mapped=2

== an empty file has no rules (exporter 125)
~ # nothing
> a:1|c
a_total 1
= lines=1 c=1
"##,
    );
}

// ---- What takes more than one row ----

/// State keyed by the client's port would make a new series of each (trap 10).
#[test]
fn who_sent_a_line_does_not_matter() {
    let daemon = started(&[]);
    for n in 1..=5 {
        let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
        client.send_to(format!("a:{n}|c\nb:+1|g").as_bytes(), daemon.udp[0]).expect("a packet");
    }
    assert_eq!(clients(&daemon.scrape_after(5)), ["a_total 15", "b 5"]);
}

/// Deltas shown as totals, or totals that a scrape takes back, would show here (trap 7, trap 9).
#[test]
fn a_scrape_changes_nothing() {
    let daemon = started(&[]);
    let client = client(daemon.udp[0]);
    for n in 1..=4_u64 {
        client.send(b"a:1|c\nb:+2|g\nc:1|h").expect("a packet");
        let page = clients(&daemon.scrape_after(n));
        assert_eq!(page[0], format!("a_total {n}"));
        assert_eq!(page[1], format!("b {}", 2 * n));
        assert_eq!(page[page.len() - 1], format!("c_count {n}"));
        assert_eq!(clients(&daemon.scrape()), page);
    }
}

/// A lone packet is not kept waiting for a full batch, and what an earlier batch left in the buffers is not read again
/// (trap 8).
#[test]
fn a_lone_packet_behind_a_burst_is_one_packet() {
    let daemon = started(&[]);
    let client = client(daemon.udp[0]);
    for _ in 0..100 {
        client.send(b"burst:1|c\nburst.of.long.lines:1|c|#some:tag").expect("a packet");
    }
    daemon.scrape_after(100);
    for n in 1..=3 {
        client.send(b"lone:1|c").expect("a packet");
        let expected = ["burst_of_long_lines_total{some=\"tag\"} 100", "burst_total 100", &format!("lone_total {n}")];
        assert_eq!(clients(&daemon.scrape_after(100 + n)), expected);
    }
}

#[test]
fn constant_labels_are_on_the_sidecars_own_metrics_too() {
    let scratch = Scratch::new("constant");
    let config = scratch.write("config.toml", "[labels]\nteam = \"data\"\nreason = \"mine\"\n");
    let daemon = started(&["--config", &config]);
    client(daemon.udp[0]).send(b"a:1|c\nb").expect("a packet");
    let page = daemon.scrape_with(&[
        "a_total{reason=\"mine\",team=\"data\"} 1",
        "statsidecar_dropped_samples_total{reason=\"mine\",team=\"data\"} 0",
        "statsidecar_rejected_samples_total{reason=\"malformed_line\",team=\"data\"} 1",
        "statsidecar_samples_total{reason=\"mine\",team=\"data\",type=\"c\"} 1",
    ]);
    Page::read(&page).expect("the page is valid");
}

/// Every byte in every place of a line, and lines cut anywhere: the page stays valid, and every line ends somewhere.
#[test]
fn no_byte_spoils_the_page() {
    let daemon = started(&[]);
    let client = client(daemon.udp[0]);
    let whole = b"n.a:1|h|@0.5|#k:v,l|c:d|T1|z";
    let mut lines: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
    for at in 0..whole.len() {
        for byte in 0..=255 {
            let mut line = whole.to_vec();
            line[at] = byte;
            lines.push(line);
        }
    }
    let mut sent = 0;
    for packet in lines.chunks(64) {
        client.send(&packet.join(&b'\n')).expect("a packet");
        sent += 1;
        daemon.scrape_after(sent);
    }
    // An empty line is none, and a `\n` makes two of a line in each of its 28 places but the first and the last. The
    // upper half of all bytes is not UTF-8 in any of them.
    let lines = format!("statsidecar_lines_total{{listener=\"udp://{}\"}} {}", daemon.udp[0], 27 + 28 * 256 + 26);
    let rejected = format!("statsidecar_rejected_samples_total{{reason=\"not_utf8\"}} {}", 28 * 128);
    Page::read(&daemon.scrape_with(&[&lines, &rejected])).expect("the page is valid");
}

#[test]
fn listeners_of_both_families() {
    let listen = ["--listen", "udp://127.0.0.1:0", "--listen", "udp://[::1]:0", "--http", "[::1]:0"];
    let daemon = Daemon::start(&listen);
    assert!(daemon.udp[0].is_ipv4() && daemon.udp[1].is_ipv6() && daemon.http.is_ipv6(), "{:?}", daemon.udp);
    client(daemon.udp[0]).send(b"a:1|c\nb:1|c\nx").expect("a packet over IPv4");
    client(daemon.udp[1]).send(b"a:2|c").expect("a packet over IPv6");
    client(daemon.udp[1]).send(b"a:4|c").expect("a packet over IPv6");
    let page = daemon.scrape_after(3);
    assert_eq!(clients(&page), ["a_total 7", "b_total 1"]);
    for (metric, counts) in [("packets", [1, 2]), ("lines", [3, 2]), ("bytes", [13, 10])] {
        for (listener, count) in daemon.udp.iter().zip(counts) {
            daemon.scrape_with(&[&format!("statsidecar_{metric}_total{{listener=\"udp://{listener}\"}} {count}")]);
        }
    }
}

#[test]
fn an_ipv6_wildcard_takes_ipv4_too() {
    let daemon = Daemon::start(&["--listen", "udp://[::]:0", "--http", "127.0.0.1:0"]);
    let port = daemon.udp[0].port();
    client(([127, 0, 0, 1], port).into()).send(b"a:1|c").expect("a packet over IPv4");
    client(format!("[::1]:{port}").parse().expect("an address")).send(b"a:2|c").expect("a packet over IPv6");
    assert_eq!(clients(&daemon.scrape_after(2)), ["a_total 3"]);
}

/// ... and leaves IPv4 to a listener that asks for the same port.
#[test]
fn wildcards_of_both_families_share_a_port() {
    // A port that was free a moment ago: another program may take it, so it is tried with several.
    let daemon = (0..20).find_map(|_| {
        let port = UdpSocket::bind("[::]:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let (four, six) = (format!("udp://0.0.0.0:{port}"), format!("udp://[::]:{port}"));
        let free = UdpSocket::bind(("0.0.0.0", port)).is_ok();
        free.then(|| Daemon::start(&["--listen", &four, "--listen", &six, "--http", "127.0.0.1:0"]))
    });
    let daemon = daemon.expect("a port that both families have free");
    let port = daemon.udp[0].port();
    client(([127, 0, 0, 1], port).into()).send(b"a:1|c").expect("a packet over IPv4");
    client(format!("[::1]:{port}").parse().expect("an address")).send(b"a:2|c").expect("a packet over IPv6");
    let page = daemon.scrape_after(2);
    assert_eq!(clients(&page), ["a_total 3"]);
    for listener in [format!("0.0.0.0:{port}"), format!("[::]:{port}")] {
        daemon.scrape_with(&[&format!("statsidecar_packets_total{{listener=\"udp://{listener}\"}} 1")]);
    }
}

fn started(args: &[&str]) -> Daemon {
    Daemon::start(&[args, &["--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]].concat())
}

fn client(to: std::net::SocketAddr) -> UdpSocket {
    let from = if to.is_ipv6() { "[::1]:0" } else { "127.0.0.1:0" };
    let client = UdpSocket::bind(from).expect("a port");
    client.connect(to).expect("an address");
    client
}

fn clients(page: &str) -> Vec<String> {
    Page::read(page).expect("the page is valid").clients(false, false)
}

// ---- Rows ----

#[derive(Default)]
struct Row {
    name: String,
    config: String,
    packets: Vec<Vec<u8>>,
    page: Vec<String>,
    own: BTreeSet<String>,
}

/// Runs every row of a table, each against a program of its own, and tells all that failed.
fn check(topic: &str, table: &str) {
    run(topic, rows(table));
}

fn run(topic: &str, rows: Vec<Row>) {
    assert!(!rows.is_empty(), "no rows");
    let scratch = Scratch::new(topic);
    let failures: Vec<String> = rows.iter().enumerate().filter_map(|(n, row)| row.run(&scratch, n).err()).collect();
    assert!(failures.is_empty(), "{} of {} rows failed\n\n{}", failures.len(), rows.len(), failures.join("\n"));
}

fn rows(table: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = Row::default();
    for line in table.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("== ") {
            assert!(row.name.is_empty(), "{:?} has no line of counters", row.name);
            row.name = name.to_owned();
        } else if let Some(config) = line.strip_prefix("~ ") {
            row.config += &format!("{config}\n");
        } else if let Some(packet) = line.strip_prefix('>') {
            row.packets.push(unescaped(packet.strip_prefix(' ').unwrap_or(packet)));
        } else if let Some(own) = line.strip_prefix('=') {
            row.own = tokens(own);
            assert!(!row.packets.is_empty(), "{:?} sends nothing", row.name);
            rows.push(std::mem::take(&mut row));
        } else {
            row.page.push(line.replace("^@", "\0"));
        }
    }
    assert!(row.name.is_empty(), "{:?} has no line of counters", row.name);
    rows
}

fn tokens(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The bytes that a datagram's text stands for.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (escape, after) = after.split_at(1);
        rest = after;
        match escape {
            "n" => bytes.push(b'\n'),
            "r" => bytes.push(b'\r'),
            "t" => bytes.push(b'\t'),
            "\\" => bytes.push(b'\\'),
            "x" => {
                bytes.push(u8::from_str_radix(&after[..2], 16).expect("two hexadecimal digits"));
                rest = &after[2..];
            }
            "{" => {
                let (repetition, after) = after.split_once('}').expect("a repetition ends");
                let (text, times) = repetition.rsplit_once('*').expect("a text and a number");
                bytes.extend(unescaped(text).repeat(times.parse().expect("a number")));
                rest = after;
            }
            _ => panic!("no escape: \\{escape}"),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

impl Row {
    fn run(&self, scratch: &Scratch, n: usize) -> Result<(), String> {
        let config = scratch.write(&format!("{n}.toml"), &self.config);
        let daemon = started(&["--config", &config]);
        let client = client(daemon.udp[0]);
        for packet in &self.packets {
            client.send(packet).expect("a packet");
        }
        daemon.scrape_after(self.packets.len() as u64);
        // A worker adds its counters up one after the other, so the last of them may come a moment after the packets.
        let deadline = Instant::now() + Duration::from_secs(2);
        loop {
            match self.judge(&daemon.scrape()) {
                Err(_) if Instant::now() < deadline => {}
                judged => return judged,
            }
        }
    }

    fn judge(&self, text: &str) -> Result<(), String> {
        let fail = |message: String| Err(format!("== {}\n{message}\n", self.name));
        let page = match Page::read(text) {
            Ok(page) => page,
            Err(error) => return fail(format!("the page is not valid: {error}\n{text}")),
        };
        let has = |start: &str| self.page.iter().any(|line| line.starts_with(start));
        let got = page.clients(has("# HELP "), has("# TYPE "));
        if got != self.page {
            return fail(format!("---- expected ----\n{}\n---- got ----\n{}", self.page.join("\n"), got.join("\n")));
        }
        let mut expected = self.own.clone();
        let values = expected.iter().find_map(|token| token.strip_prefix("values=")).map(str::to_owned);
        expected.retain(|token| !token.starts_with("values="));
        let own = page.own();
        if own != expected {
            return fail(format!("---- expected ----\n{expected:?}\n---- got ----\n{own:?}"));
        }
        let lines = page.sum("statsidecar_lines_total");
        let values = values.map_or(lines, |values| values.parse().expect("a number"));
        let account = ["samples", "rejected_samples", "dropped_samples"];
        let account = account.map(|metric| page.sum(&format!("statsidecar_{metric}_total")));
        if account.iter().sum::<f64>() != values {
            return fail(format!("{values} samples came in; applied, rejected, dropped: {account:?}"));
        }
        let bytes: usize = self.packets.iter().map(Vec::len).sum();
        for (metric, expected) in [
            ("statsidecar_packets_total", self.packets.len()),
            ("statsidecar_bytes_total", bytes),
            ("statsidecar_kernel_dropped_packets_total", 0),
            ("statsidecar_series", page.client_series()),
            ("statsidecar_families", page.client_families().count()),
        ] {
            if page.sum(metric) != expected as f64 {
                return fail(format!("{metric} is {}, not {expected}", page.sum(metric)));
            }
        }
        Ok(())
    }
}

// ---- The page, read strictly ----

/// A page as its families, in the order in which they stand there.
struct Page<'a>(Vec<Family<'a>>);

struct Family<'a> {
    name: &'a str,
    kind: &'a str,
    /// The `# HELP` line, and the `# TYPE` line.
    head: [&'a str; 2],
    samples: Vec<Sample<'a>>,
}

struct Sample<'a> {
    line: &'a str,
    name: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    value: f64,
}

impl<'a> Page<'a> {
    /// Reads a page; the error says what a strict reader would refuse.
    fn read(text: &'a str) -> Result<Self, String> {
        let mut families: Vec<Family<'a>> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut lines = text.strip_suffix('\n').ok_or("the last line has no end")?.split('\n').peekable();
        while let Some(help) = lines.next() {
            let name = help.strip_prefix("# HELP ").and_then(|rest| rest.split(' ').next());
            let name = name.ok_or_else(|| format!("no family begins with {help:?}"))?;
            let type_ = lines.next().unwrap_or_default();
            let kind = type_.strip_prefix("# TYPE ").and_then(|rest| rest.strip_prefix(name)?.strip_prefix(' '));
            let kind = kind.ok_or_else(|| format!("{name} has {type_:?} in the place of its type"))?;
            let mut samples = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("# ")) {
                let sample = Sample::read(line).ok_or_else(|| format!("not a sample: {line:?}"))?;
                if !seen.insert((sample.name, sample.labels.clone())) {
                    return Err(format!("a series that is there already: {line:?}"));
                }
                samples.push(sample);
            }
            let family = Family { name, kind, head: [help, type_], samples };
            family.judge()?;
            if families.last().is_some_and(|before| before.name >= name) {
                return Err(format!("{name} is out of order"));
            }
            families.push(family);
        }
        Ok(Self(families))
    }

    fn client_families(&self) -> impl Iterator<Item = &Family<'a>> {
        const PROCESS: [&str; 8] = [
            "process_cpu_seconds_total",
            "process_max_fds",
            "process_open_fds",
            "process_resident_memory_bytes",
            "process_start_time_seconds",
            "process_threads",
            "process_virtual_memory_bytes",
            "process_virtual_memory_max_bytes",
        ];
        self.0.iter().filter(|family| !family.name.starts_with("statsidecar_") && !PROCESS.contains(&family.name))
    }

    /// How many series the clients have; a histogram is one.
    fn client_series(&self) -> usize {
        let is_one = |family: &Family<'_>, sample: &Sample<'_>| {
            family.kind != "histogram" || sample.name.strip_prefix(family.name) == Some("_count")
        };
        self.client_families().map(|family| family.samples.iter().filter(|sample| is_one(family, sample)).count()).sum()
    }

    /// The lines of what the clients sent.
    fn clients(&self, with_help: bool, with_type: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for family in self.client_families() {
            let heads = family.head.iter().zip([with_help, with_type]).filter(|(_, with)| *with);
            lines.extend(heads.map(|(head, _)| (*head).to_owned()));
            lines.extend(family.samples.iter().map(|sample| sample.line.to_owned()));
        }
        lines
    }

    fn samples(&self, family: &str) -> impl Iterator<Item = &Sample<'a>> {
        self.0.iter().filter(move |found| found.name == family).flat_map(|family| &family.samples)
    }

    fn sum(&self, family: &str) -> f64 {
        self.samples(family).map(|sample| sample.value).sum()
    }

    /// What the sidecar counted, in the words of the rows: all that is not 0.
    fn own(&self) -> BTreeSet<String> {
        let mut counts: Vec<(String, f64)> = vec![
            ("lines".to_owned(), self.sum("statsidecar_lines_total")),
            ("dropped".to_owned(), self.sum("statsidecar_dropped_samples_total")),
            (
                "mapped".to_owned(),
                self.sum("statsidecar_samples_total") - self.sum("statsidecar_unmapped_samples_total"),
            ),
        ];
        for (family, label, prefix) in [
            ("statsidecar_samples_total", "type", ""),
            ("statsidecar_rejected_samples_total", "reason", ""),
            ("statsidecar_tag_errors_total", "reason", "tag:"),
            ("statsidecar_unknown_sections_total", "section", "section:"),
        ] {
            let samples = self.samples(family);
            counts.extend(samples.map(|sample| (format!("{prefix}{}", sample.labels[label]), sample.value)));
        }
        counts.into_iter().filter(|(_, n)| *n != 0.0).map(|(what, n)| format!("{what}={n}")).collect()
    }
}

impl Family<'_> {
    fn judge(&self) -> Result<(), String> {
        let suffixes: &[&str] = match self.kind {
            "counter" | "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            kind => return Err(format!("{} is of the unknown type {kind:?}", self.name)),
        };
        let mut buckets: BTreeMap<Vec<_>, Vec<f64>> = BTreeMap::new();
        for sample in &self.samples {
            let suffix = sample.name.strip_prefix(self.name).filter(|suffix| suffixes.contains(suffix));
            let suffix = suffix.ok_or_else(|| format!("not of {}: {:?}", self.name, sample.line))?;
            if self.kind == "counter" && sample.value < 0.0 {
                return Err(format!("a counter below 0: {:?}", sample.line));
            }
            let le = sample.labels.get("le");
            if le.is_some() != (suffix == "_bucket") {
                return Err(format!("le is for buckets alone: {:?}", sample.line));
            }
            let labels = sample.labels.iter().filter(|(key, _)| **key != "le").collect();
            let counts = buckets.entry(labels).or_default();
            match suffix {
                "_bucket" if counts.last().is_some_and(|last| *last > sample.value) => {
                    return Err(format!("a bucket below the one before: {:?}", sample.line));
                }
                "_bucket" => counts.push(sample.value),
                "_count" if counts.last() != Some(&sample.value) => {
                    return Err(format!("not the count of all buckets: {:?}", sample.line));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl<'a> Sample<'a> {
    /// Reads `name{key="value",...} number`.
    fn read(line: &'a str) -> Option<Self> {
        let end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(end);
        let mut labels = BTreeMap::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            loop {
                let (key, after) = rest.split_once("=\"")?;
                let end = unescaped_quote(after)?;
                let is_new = labels.insert(key, &after[..end]).is_none();
                if !is_new || !is_name(key) || key.starts_with("__") || end == 0 {
                    return None;
                }
                rest = &after[end + 1..];
                match rest.split_at_checked(1)? {
                    (",", after) => rest = after,
                    ("}", after) => break rest = after,
                    _ => return None,
                }
            }
        }
        let value: f64 = rest.strip_prefix(' ')?.parse().ok()?;
        (is_name(&name.replace(':', "_")) && value.is_finite()).then_some(Self { line, name, labels, value })
    }
}

/// Where the first quote stands that no backslash escapes; none where an escape is not one.
fn unescaped_quote(text: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some(at),
            '\\' if !matches!(chars.next()?.1, '\\' | '"' | 'n') => return None,
            _ => {}
        }
    }
    None
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !text.starts_with(|c: char| c.is_ascii_digit())
}
