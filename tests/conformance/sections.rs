//! Sections and packing.

use crate::row::check;

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
