//! Tags and names.

use crate::row::check;

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
= lines=1 c=1 tag:unpaired_bracket=1

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
