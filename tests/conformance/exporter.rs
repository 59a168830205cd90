//! The very bytes of cases that statsd_exporter and others are known to read in another way, each by itself.

use crate::row::check;

#[test]
fn values_and_types() {
    check(
        "exporter-values",
        r##"
== there are no other types (exporter 10)
> a:1|t\na:1|C\na:1|\nok:1|c
ok_total 1
= lines=4 c=1 unknown_type=3

== a blank is part of a name, and of nothing else (exporter 12)
> a:1 |c\na: 1|c\na:1|c \n a:1|c
_a_total 1
= lines=4 c=1 bad_value=2 unknown_type=1

== numbers are decimal (exporter 13)
> a:1e3|c\na:1_000|c\na:0x1p4|c\na:.5|c
a_total 1000.5
= lines=4 c=2 bad_value=2

== what is no number, or too large a one (exporter 14)
> a:1e400|c\na:+|g\na:--1|g\na:+NaN|g\na:|c\na:1o|c
= lines=6 bad_value=6

== NaN does not spoil a counter (exporter 15)
> a:NaN|c\na:1|c\na:NaN|c\na:2|c
a_total 3
= lines=4 c=2 bad_value=2

== nor does Inf (exporter 16)
> a:Inf|c\na:1|c\na:-Inf|c\na:2|c
a_total 3
= lines=4 c=2 bad_value=2

== a gauge is neither (exporter 17)
> a:NaN|g\na:-Inf|g\nb:5|g\nb:NaN|g\nb:-Inf|g\nb:+1|g
b 6
= lines=6 g=2 bad_value=4

== NaN is no observation (exporter 18)
~ defaults.buckets = [1]
> a:NaN|h\na:2|h\na:NaN|h\na:0.5|h
a_bucket{le="1"} 1
a_bucket{le="+Inf"} 2
a_sum 2.5
a_count 2
= lines=4 h=2 bad_value=2

== a counter goes up alone, and one that was to go down makes no series (exporter 19)
> a:-1|c\nb:3|c\nb:-1|c
b_total 3
= lines=3 c=1 negative_counter=2

== one observation of -5 ms (exporter 21)
~ defaults.buckets = [1]
> a:-5|ms
a_seconds_bucket{le="1"} 1
a_seconds_bucket{le="+Inf"} 1
a_seconds_sum -0.005
a_seconds_count 1
= lines=1 ms=1
"##,
    );
}

#[test]
fn rates() {
    check(
        "exporter-rates",
        r##"
== no sample was taken at a rate of 0 (exporter 23)
> a:2|c|@0
= lines=1 bad_sample_rate=1

== what is no rate is not 1 (exporter 24)
> a:1|c|@bar\na:1|c|@
= lines=2 bad_sample_rate=2

== nothing is sampled more than once (exporter 25)
> a:1|c|@2
= lines=1 bad_sample_rate=1

== nor is an observation, and that it is lost is counted (exporter 26)
> a:1|ms|@2
= lines=1 bad_sample_rate=1

== so is one with a rate below 0 (exporter 27)
> a:1|ms|@-0.5
= lines=1 bad_sample_rate=1

== two signs do not make a counter (exporter 28)
> a:1|c|@-0.5\na:-1|c|@-0.5
= lines=2 bad_sample_rate=2

== a weight that is no whole number is not cut in the sum (exporter 30)
~ defaults.buckets = [1]
> a:1|ms|@0.3\nb:1|ms|@0.6
a_seconds_bucket{le="1"} 3
a_seconds_bucket{le="+Inf"} 3
a_seconds_sum 0.0033333333333333335
a_seconds_count 3
b_seconds_bucket{le="1"} 1
b_seconds_bucket{le="+Inf"} 1
b_seconds_sum 0.0016666666666666668
b_seconds_count 1
= lines=2 ms=2

== a million observations in a line (exporter 34, trap 4)
~ defaults.buckets = [1]
> a:1|ms|@1e-6
a_seconds_bucket{le="1"} 1000000
a_seconds_bucket{le="+Inf"} 1000000
a_seconds_sum 1000
a_seconds_count 1000000
= lines=1 ms=1

== a rate that changes changes no sample that came before (trap 16)
> a:1|c|@0.5\na:1|c|@0.1\na:1|c\na:1|c|@0.5|T1656581400
a_total 15
= lines=4 c=4
"##,
    );
}

#[test]
fn lines() {
    check(
        "exporter-lines",
        r##"
== no value, no name, no text: a reason for each (exporter 36)
> a\n:1|c\na\xff:1|c\nok:1|c
ok_total 1
= lines=4 c=1 malformed_line=1 empty_name=1 not_utf8=1

== no type, and the end of a line that was cut (exporter 37)
> a:1\n|h|#k:v,l:w\nok:1|c
ok_total 1
= lines=3 c=1 malformed_line=2

== a section of one letter that is not known (exporter 39)
> a:1|c|x
a_total 1
= lines=1 c=1 section:x=1

== six components (exporter 41)
> a:1|c|@0.1|#t:v|c:ci-1|T1656581400\nb:1|c|x|y|z|w
a_total{t="v"} 10
b_total 1
= lines=2 c=2 section:x=1 section:y=1 section:z=1 section:w=1

== each packed value is an observation, whatever the type (exporter 46)
~ defaults.buckets = [1]
> a:0.5:120:3000|ms|#t:v\nb:0.5:120:3000|h|#t:v\nc:0.5:120:3000|d|#t:v
a_seconds_bucket{t="v",le="1"} 2
a_seconds_bucket{t="v",le="+Inf"} 3
a_seconds_sum{t="v"} 3.1205
a_seconds_count{t="v"} 3
b_bucket{t="v",le="1"} 1
b_bucket{t="v",le="+Inf"} 3
b_sum{t="v"} 3120.5
b_count{t="v"} 3
c_bucket{t="v",le="1"} 1
c_bucket{t="v",le="+Inf"} 3
c_sum{t="v"} 3120.5
c_count{t="v"} 3
= lines=3 values=9 ms=3 h=3 d=3

== a packed value that is empty (exporter 49)
~ defaults.buckets = [1]
> a::1|c\nb::1|ms
a_total 1
b_seconds_bucket{le="1"} 1
b_seconds_bucket{le="+Inf"} 1
b_seconds_sum 0.001
b_seconds_count 1
= lines=2 values=4 c=1 ms=1 bad_value=2

== tags in brackets before packed values (exporter 53)
~ defaults.buckets = [1]
> n[t=a]:1:2|ms
n_seconds_bucket{t="a",le="1"} 2
n_seconds_bucket{t="a",le="+Inf"} 2
n_seconds_sum{t="a"} 0.003
n_seconds_count{t="a"} 2
= lines=1 values=2 ms=2

== a timestamp behind tags, one that is empty, and one that is none (exporter 59)
> a:1|c|#t:v|T1656581400\na:1|c|#t:v|T\na:1|c|#t:v|Tjunk
a_total{t="v"} 3
= lines=3 c=3

== a container behind a colon, with tags and without (exporter 57, 58)
~ defaults.container_label = true
> a:1|c|#t:v|c\na:1|c|#t:v|c:\nb:1|c|c:abc\nb:1|c|#|c:abc\nb:1:2|c|c:abc
a_total{t="v"} 2
b_total{container_id="abc"} 5
= lines=5 values=6 c=6 section:c=1
"##,
    );
}

#[test]
fn traps() {
    check(
        "traps",
        r##"
== s, d and m are what they are, C and others are nothing (trap 14)
~ defaults.buckets = [1]
> a:x|s\na:y|s\nb:0.5|d\nb:x|d\nc:2|m\nc:3|c\nc:4|C\nc:5|x\nc:6|S
a 2
b_bucket{le="1"} 1
b_bucket{le="+Inf"} 1
b_sum 0.5
b_count 1
c_total 5
= lines=9 s=2 d=1 m=1 c=1 bad_value=1 unknown_type=3

== a bad name and a bad key cost no page (trap 13)
> a.b-c d:1|c|#k.l-m n:v,\x22:w\n\x22:1|g\n{}:2|g\n#:3|g
_ 1
__ 2
a_b_c_d_total{_="w",k_l_m_n="v"} 1
= lines=4 c=1 g=2 empty_name=1

== a line of a later version keeps its sample, the first of a name or not (trap 11)
> a:1|c|z:9\na:1|c|#k:v|z:9|y\na:1|c|z:9
a_total 2
a_total{k="v"} 1
= lines=3 c=3 section:z=3 section:y=1
"##,
    );
}
