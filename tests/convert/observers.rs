//! Observers: summaries or histograms, with the options of a mapping or of the defaults.

use crate::check;

#[test]
fn observers() {
    check(
        "observers",
        r##"
== by default, ms h and d are summaries (exporter 7, 8)
~ mappings: []
> a:200|ms\nb:200|h\nc:200|d
a{quantile="0.5"} 0.2
a{quantile="0.9"} 0.2
a{quantile="0.99"} 0.2
a_sum 0.2
a_count 1
b{quantile="0.5"} 200
b{quantile="0.9"} 200
b{quantile="0.99"} 200
b_sum 200
b_count 1
c{quantile="0.5"} 200
c{quantile="0.9"} 200
c{quantile="0.99"} 200
c_sum 200
c_count 1
= lines=3 ms=1 h=1 d=1

== histograms by default, and their buckets (exporter 119)
~ defaults: {observer_type: histogram}
> a:200|ms\nb:7|h\nc:250|ms\nd:-1|h
a_bucket{le="0.005"} 0
a_bucket{le="0.01"} 0
a_bucket{le="0.025"} 0
a_bucket{le="0.05"} 0
a_bucket{le="0.1"} 0
a_bucket{le="0.25"} 1
a_bucket{le="0.5"} 1
a_bucket{le="1"} 1
a_bucket{le="2.5"} 1
a_bucket{le="5"} 1
a_bucket{le="10"} 1
a_bucket{le="+Inf"} 1
a_sum 0.2
a_count 1
b_bucket{le="0.005"} 0
b_bucket{le="0.01"} 0
b_bucket{le="0.025"} 0
b_bucket{le="0.05"} 0
b_bucket{le="0.1"} 0
b_bucket{le="0.25"} 0
b_bucket{le="0.5"} 0
b_bucket{le="1"} 0
b_bucket{le="2.5"} 0
b_bucket{le="5"} 0
b_bucket{le="10"} 1
b_bucket{le="+Inf"} 1
b_sum 7
b_count 1
c_bucket{le="0.005"} 0
c_bucket{le="0.01"} 0
c_bucket{le="0.025"} 0
c_bucket{le="0.05"} 0
c_bucket{le="0.1"} 0
c_bucket{le="0.25"} 1
c_bucket{le="0.5"} 1
c_bucket{le="1"} 1
c_bucket{le="2.5"} 1
c_bucket{le="5"} 1
c_bucket{le="10"} 1
c_bucket{le="+Inf"} 1
c_sum 0.25
c_count 1
d_bucket{le="0.005"} 1
d_bucket{le="0.01"} 1
d_bucket{le="0.025"} 1
d_bucket{le="0.05"} 1
d_bucket{le="0.1"} 1
d_bucket{le="0.25"} 1
d_bucket{le="0.5"} 1
d_bucket{le="1"} 1
d_bucket{le="2.5"} 1
d_bucket{le="5"} 1
d_bucket{le="10"} 1
d_bucket{le="+Inf"} 1
d_sum -1
d_count 1
= lines=4 ms=2 h=2

== a mapping with an observer_type still matches counters and gauges
~ mappings:
~ - match: m.*.*
~   name: "$1"
~   labels: {what: "$2"}
~   observer_type: histogram
~   histogram_options: {buckets: [1, 2, .inf]}
> m.t.x:1|h\nm.c.x:2|c\nm.g.x:3|g
c{what="x"} 2
g{what="x"} 3
t_bucket{what="x",le="1"} 1
t_bucket{what="x",le="2"} 1
t_bucket{what="x",le="+Inf"} 1
t_sum{what="x"} 1
t_count{what="x"} 1
= lines=3 c=1 g=1 h=1 mapped=3

== one summary among histograms, with its own quantiles and with the default ones
~ defaults:
~   timer_type: histogram
~   buckets: [1]
~   quantiles: [{quantile: 0.5, error: 0.05}]
~ mappings:
~ - {match: s, name: s, timer_type: summary, quantiles: [{quantile: 0.75, error: 0.01}, {quantile: 0.25, error: 0.01}]}
~ - {match: d, name: d, timer_type: summary}
> s:1|h\nd:1|h\nh:1|h
d{quantile="0.5"} 1
d_sum 1
d_count 1
h_bucket{le="1"} 1
h_bucket{le="+Inf"} 1
h_sum 1
h_count 1
s{quantile="0.25"} 1
s{quantile="0.75"} 1
s_sum 1
s_count 1
= lines=3 h=3 mapped=2

== quantiles of a mapping, if summaries are the default
~ defaults: {summary_options: {quantiles: [{quantile: 0.9}], max_age: 5m, age_buckets: 5, buf_cap: 1000}}
~ mappings:
~ - {match: s, name: s, summary_options: {quantiles: [{quantile: 0.5}], max_age: 30s}}
> s:1|h\nd:1|h
d{quantile="0.9"} 1
d_sum 1
d_count 1
s{quantile="0.5"} 1
s_sum 1
s_count 1
= lines=2 h=2 mapped=1

== options of a histogram without an observer_type (exporter 120)
~ mappings:
~ - {match: s, name: s, histogram_options: {buckets: [1]}}
> s:1|h
s{quantile="0.5"} 1
s{quantile="0.9"} 1
s{quantile="0.99"} 1
s_sum 1
s_count 1
= lines=1 h=1 mapped=1

== a counter named like the count of a histogram, whose line comes first
~ mappings:
~ - {match: h, name: x, observer_type: histogram, buckets: [1]}
~ - {match: c, name: x_count}
> c:1|c\nh:1|h\nc:2|c
x_count 3
= lines=3 c=2 name_collision=1 mapped=2

== a counter named like the count of a histogram, whose line comes second
~ mappings:
~ - {match: c, name: x_count}
~ - {match: h, name: x, observer_type: histogram, buckets: [1]}
> h:1|h\nc:1|c
x_bucket{le="1"} 1
x_bucket{le="+Inf"} 1
x_sum 1
x_count 1
= lines=2 h=1 name_collision=1 mapped=1

== one name with two sets of buckets: those of the first mapping apply (exporter 117 has those of the first line)
~ defaults: {observer_type: histogram}
~ mappings:
~ - {match: a, name: n, histogram_options: {buckets: [1]}, labels: {by: a}}
~ - {match: b, name: n, histogram_options: {buckets: [2]}, labels: {by: b}}
> b:1|h\na:1|h
n_bucket{by="a",le="1"} 1
n_bucket{by="a",le="+Inf"} 1
n_sum{by="a"} 1
n_count{by="a"} 1
n_bucket{by="b",le="1"} 1
n_bucket{by="b",le="+Inf"} 1
n_sum{by="b"} 1
n_count{by="b"} 1
= lines=2 h=2 mapped=2
"##,
    );
}
