//! Mappings for one type of line, and their effects on values.

use crate::check;

#[test]
fn types() {
    check(
        "types",
        r##"
== mappings with the same match for different types (exporter 111)
~ mappings:
~ - {match: t.*, match_metric_type: counter, name: t_c}
~ - {match: t.*, match_metric_type: gauge, name: t_g}
> t.x:1|c\nt.x:2|g\nt.x:3|h
t_c 1
t_g 2
t_x{quantile="0.5"} 3
t_x{quantile="0.9"} 3
t_x{quantile="0.99"} 3
t_x_sum 3
t_x_count 1
= lines=3 c=1 g=1 h=1 mapped=2

== an observer is an ms, h or d line, by its current name and by the old one
~ mappings:
~ - {match: o.*, match_metric_type: observer, name: o, observer_type: histogram, histogram_options: {buckets: [1]}}
~ - {match: t.*, match_metric_type: timer, timer_type: histogram, name: t, buckets: [1]}
> o.x:2000|ms\no.x:1|h\no.x:1|d\no.x:1|c\nt.x:1|d
o_bucket{le="1"} 2
o_bucket{le="+Inf"} 3
o_sum 4
o_count 3
o_x 1
t_bucket{le="1"} 1
t_bucket{le="+Inf"} 1
t_sum 1
t_count 1
= lines=5 c=1 ms=1 h=1 d=2 mapped=4

== each sample of a line is mapped by its own type (exporter 115, a bug)
~ mappings:
~ - {match: k, match_metric_type: counter, name: k_c, labels: {kind: c}}
~ - {match: k, match_metric_type: gauge, name: k_g, labels: {other: g}}
> k:1|c:2|g
k_c{kind="c"} 1
k_g{other="g"} 2
= lines=1 values=2 c=1 g=1 mapped=2

== drop (exporter 112)
~ mappings:
~ - {match: keep.*, name: kept}
~ - {match: lost.*, name: dropped, action: drop, match_metric_type: gauge}
~ - {match: gone, action: drop}
~ - {match: '^all\.', match_type: regex, name: x, action: drop}
> keep.a:1|c\nlost.a:1|g\nlost.a:1|c\ngone:1|ms\nall.x:1|c
kept 1
lost_a 1
= lines=5 c=2 dropped=3 mapped=1

== drop all unmapped lines (exporter 112)
~ mappings:
~ - {match: ".", match_type: regex, action: drop, name: dropped}
~ - {match: a, name: a}
> a:1|c\nb:1|c
a 1
= lines=2 c=1 dropped=1 mapped=1

== scale (exporter 113)
~ mappings:
~ - {match: kb, name: kb, scale: 1024}
~ - {match: n, name: n, scale: -1}
~ - {match: g, name: g, scale: 1e-6}
~ - {match: same, name: same, scale: 1}
~ - {match: t, name: t, scale: 1000, observer_type: histogram, histogram_options: {buckets: [100, 300]}}
> kb:2|c\nn:5|c\nn:-5|c\ng:1000000|g\ng:+2000000|g\nsame:3|c\nt:200|ms
g 3
kb 2048
n 5
same 3
t_bucket{le="100"} 0
t_bucket{le="300"} 1
t_bucket{le="+Inf"} 1
t_sum 200
t_count 1
= lines=7 c=3 g=2 ms=1 negative_counter=1 mapped=6

== honor_labels (exporter 114)
~ mappings:
~ - {match: a, name: a, labels: {t: rule, u: rule}, honor_labels: true}
~ - {match: b, name: b, labels: {t: rule, u: rule}, honor_labels: false}
~ - {match: c, name: c, labels: {t: rule, u: rule}}
> a:1|c|#t:tag\nb:1|c|#t:tag\nc:1|c|#t:tag\na:1|c
a{t="rule",u="rule"} 1
a{t="tag",u="rule"} 1
b{t="rule",u="rule"} 1
c{t="rule",u="rule"} 1
= lines=4 c=4 mapped=4 tag:overridden=2
"##,
    );
}
