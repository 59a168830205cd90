//! Types that are declared, conflicts, limits.

use crate::row::check;

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

== what is wrong with a sample too makes no difference, be its way known or not
~ defaults.naming = "verbatim"
~ defaults.buckets = [1]
> x:1|g\nx:1|g|@x\nx:1|c|@x\nx:1|c\nx:1|c|@x\ny:1|g\ny:-1|c\ny:1|c\ny:-1|c\nz:1|h\nz_sum:1|g|@2\nz_sum:1|g\nz_sum:1|g|@2
x 1
y 1
z_bucket{le="1"} 1
z_bucket{le="+Inf"} 1
z_sum 1
z_count 1
= lines=13 g=2 h=1 bad_sample_rate=1 type_conflict=6 name_collision=3

== nor does it make a series
~ defaults.naming = "verbatim"
> x:-1|c\nx:1|g|@2\nx:1|g
x 1
= lines=3 g=1 negative_counter=1 bad_sample_rate=1

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
