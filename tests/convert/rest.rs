//! Names, labels, help texts, and YAML features.

use crate::check;

#[test]
fn the_rest() {
    check(
        "rest",
        r##"
== an empty file has no rules (exporter 125)
> a.b--c:1|c\n0d:1|g
_0d 1
a_b_c 1
= lines=2 c=1 g=1

== a file with empty sections has no rules
~ # nothing
~ defaults:
~ mappings:
> a:1|c
a 1
= lines=1 c=1

== names get no suffixes, and dashes become one underscore (exporter 82)
> a.*.m:1|c\na--x---y:1|c\na/x y:1|c\nA.UP:1|c\nt:1|c|#a--b:1
A_UP 1
a___m 1
a_x_y 2
t{a_b="1"} 1
= lines=5 c=5 merged=1

== the container becomes a label, and Graphite tags are not parsed (exporter 54)
> a:1|c|#t:v|c:abc\nb;x=y:1|c\nd,t=v:1|c
a{container_id="abc",t="v"} 1
b_x_y 1
d{t="v"} 1
= lines=3 c=3

== the first help applies, whatever the labels (exporter 116)
~ mappings:
~ - {match: a, name: n, help: one}
~ - {match: b, name: n, help: two}
~ - {match: c, name: n, help: three, labels: {by: c}}
> a:1|c\nb:1|c\nc:1|c
# HELP n one
n 2
n{by="c"} 1
= lines=3 c=3 mapped=3

== help is escaped (exporter 118)
~ mappings:
~ - {match: a, name: n, help: "one\ntwo\\three \"four\""}
> a:1|c
# HELP n one\ntwo\\three "four"
n 1
= lines=1 c=1 mapped=1

== labels that statsd_exporter should accept and does not (exporter 122, a bug)
~ mappings:
~ - {match: a, name: n, labels: {x: 5, yes: yes, empty: , q: 'it''s "q" \'}}
> a:1|c
n{q="it's \"q\" \\",x="5",yes="yes"} 1
= lines=1 c=1 mapped=1

== anchors, aliases and merges
~ defaults: &d
~   match_type: glob
~   observer_type: histogram
~   histogram_options: &o {buckets: [1]}
~ mappings:
~ - &a {match: a, name: n, labels: &l {by: a}}
~ - {<<: *a, match: b, name: o}
~ - {<<: [*a, {match: zz, help: h}], match: c, labels: {<<: *l, at: c}, histogram_options: *o}
> a:1|c\nb:1|c\nc:1|c
n{at="c",by="a"} 1
n{by="a"} 1
o{by="a"} 1
= lines=3 c=3 mapped=3
"##,
    );
}
