//! Mapping files, the lines that are sent, and the series they make: as statsd_exporter has them, or where that has a
//! bug, as it says that it does.

use crate::check;

#[test]
fn globs() {
    check(
        "globs",
        r##"
== captures (exporter 99)
~ mappings:
~ - match: test.dispatcher.*.*.*
~   name: "dispatch"
~   labels:
~     processor: "$1"
~     action: "$2"
~     job: "t_${3}"
> test.dispatcher.Foo.send.ok:1|c
dispatch{action="send",job="t_ok",processor="Foo"} 1
= lines=1 c=1 mapped=1

== a reference beyond the captures is empty (exporter 100)
~ mappings:
~ - match: "*.*"
~   name: catchall
~   labels:
~     first: "$1"
~     third: "$3"
~     job: "$1-$2-$3"
> foo.bar:1|c\nfoo.bar.baz:1|c
catchall{first="foo",job="foo-bar-"} 1
foo_bar_baz 1
= lines=2 c=2 mapped=1

== the first that is listed wins (exporter 101)
~ mappings:
~ - {match: "order.*.*", name: first}
~ - {match: "order.*.bbb", name: second}
> order.x.bbb:1|c
first 1
= lines=1 c=1 mapped=1

== without an order, the more specific one wins (exporter 101)
~ defaults: {glob_disable_ordering: true}
~ mappings:
~ - {match: "order.*.*", name: first}
~ - {match: "order.*.bbb", name: second}
> order.x.bbb:1|c\norder.x.ccc:1|c
first 1
second 1
= lines=2 c=2 mapped=2

== without an order, every match is tried (exporter 101, a bug)
~ defaults: {glob_disable_ordering: true}
~ mappings:
~ - {match: "order.*.*", name: any}
~ - {match: "order.*.bbb", name: b}
~ - {match: "order.ccc.bbb", name: cb}
> order.ccc.zzz:1|c\norder.ccc.bbb:1|c\norder.zzz.bbb:1|c
any 1
b 1
cb 1
= lines=3 c=3 mapped=3

== without an order, a branch that fails is left (exporter 102)
~ defaults: {glob_disable_ordering: true}
~ mappings:
~ - match: bt.*.bbb
~   name: bt_any
~   labels: {what: "$1"}
~ - match: bt.just.aaa
~   name: bt_just
~   labels: {what: "${1}", kind: x}
> bt.just.bbb:1|c\nbt.just.aaa:1|c
bt_any{what="just"} 1
bt_just{kind="x"} 1
= lines=2 c=2 mapped=2

== captures of a branch that failed do not stay (exporter 103)
~ mappings:
~ - match: "*.dummy.*"
~   name: dummy
~   labels: {one: "$1", two: "$2"}
~ - match: "full.name.*"
~   name: full
~   labels: {one: "$1", two: "$2"}
> full.name.x:1|c\nfull.dummy.y:1|c
dummy{one="full",two="y"} 1
full{one="x"} 1
= lines=2 c=2 mapped=2

== what begins a longer match is matched too (exporter 104, a bug)
~ mappings:
~ - {match: a.b.c, name: long}
~ - {match: a.b, name: short}
> a.b:1|c\na.b.c:1|c
long 1
short 1
= lines=2 c=2 mapped=2

== the other way round (exporter 104)
~ mappings:
~ - {match: a.b, name: short}
~ - {match: a.b.c, name: long}
> a.b:1|c\na.b.c:1|c
long 1
short 1
= lines=2 c=2 mapped=2

== of two equal matches the first wins, also against others (exporter 105, a bug)
~ mappings:
~ - {match: a.*, name: first}
~ - {match: "*.b", name: second}
~ - {match: a.*, name: third}
> a.b:1|c\nx.b:1|c\na.c:1|c
first 2
second 1
= lines=3 c=3 mapped=3

== references (exporter 106, with its bugs)
~ mappings:
~ - match: a.*.*
~   name: t
~   labels:
~     one_foo: "$1_foo"
~     both: "$1$2"
~     zero: "$0"
~     word: "$b-"
~     percent: "$1%"
~     braces: "${1}_${2}"
~     dollar: "5$ $"
> a.x.y:1|g
t{braces="x_y",dollar="5$ $",percent="x%",word="-",zero="a.x.y"} 1
= lines=1 g=1 mapped=1

== ten captures (exporter 106, with a bug)
~ mappings:
~ - match: "*.*.*.*.*.*.*.*.*.*"
~   name: t
~   labels: {plain: "$1-$10", braces: "${1}-${10}"}
> a.b.c.d.e.f.g.h.i.j:1|g
t{braces="a-j",plain="a-j"} 1
= lines=1 g=1 mapped=1

== names out of captures (exporter 107)
~ mappings:
~ - {match: svc.*, name: "svc_${1}_total"}
~ - {match: one.*, name: "${1}_total"}
~ - {match: all.*, name: "$1"}
~ - match: 'num\.(\w+)\.(\d+)'
~   match_type: regex
~   name: "${2}"
> svc.a-b/c:1|c\none.x:1|c\nall.y--z:1|c\nnum.a.123:1|c\nsvc.:1|c
_123 1
svc__total 1
svc_a_b_c_total 1
x_total 1
y_z 1
= lines=5 c=5 mapped=5

== case counts, and a star takes anything between two dots (exporter 110)
~ mappings:
~ - match: a.*
~   name: a
~   labels: {what: "$1"}
> a.b /c:1|c\nA.b:1|c\na.:1|c
A_b 1
a 1
a{what="b /c"} 1
= lines=3 c=3 mapped=2

== odd globs that are right (exporter 122)
~ mappings:
~ - {match: "foo--bar.*", name: dashes}
~ - {match: "a.1b.*", name: digits}
~ - {match: "*", name: any}
> foo--bar.x:1|c\na.1b.c:1|c\nx:1|c\nx--y.z:1|c
any 1
dashes 1
digits 1
x_y_z 1
= lines=4 c=4 mapped=3
"##,
    );
}

#[test]
fn regexes() {
    check(
        "regexes",
        r##"
== a regex matches anywhere in a name (exporter 108)
~ mappings:
~ - {match: foo, match_type: regex, name: "re_$0"}
> xfoox:1|c\nfo.o:1|c
fo_o 1
re_foo 1
= lines=2 c=2 mapped=1

== what matched, and where groups move (exporter 108)
~ defaults: {match_type: regex}
~ mappings:
~ - match: 'b(\d+)|c(\d+)'
~   name: n
~   labels: {all: "$0", one: "$1", two: "${2}"}
> a.b12.x:1|c\na.c3:1|c
n{all="b12",one="12"} 1
n{all="c3",two="3"} 1
= lines=2 c=2 mapped=2

== the first place where it matches, and the longest that it takes there
~ defaults: {match_type: regex}
~ mappings:
~ - match: 'b(.*?)c(.*)'
~   name: n
~   labels: {one: "$1", two: "$2"}
~ - match: '^x\.(.+)$'
~   name: "x_$1"
~ - match: '(?i)y|^z'
~   name: yz
> abXcYcZbc:1|c\nx.q:1|c\naYa:1|c\nz1:1|c\n1z:1|c\nbx.q:1|c
_1z 1
bx_q 1
n{one="X",two="YcZbc"} 1
x_q 1
yz 2
= lines=6 c=6 mapped=4

== named groups (exporter 108)
~ mappings:
~ - match: '^(?P<svc>\w+)\.(?P<op>[\w-]+)\.took$'
~   match_type: regex
~   name: took
~   labels: {svc: "$svc", op: "${op}_x", none: "$svcx", number: "$2"}
> api.get-it.took:1|g
took{number="get-it",op="get-it_x",svc="api"} 1
= lines=1 g=1 mapped=1

== an empty name out of a group (exporter 108)
~ mappings:
~ - {match: '(.*)_bar', match_type: regex, name: "${1}"}
> _bar:1|c\na_bar:1|c
a 1
= lines=2 c=1 empty_name=1 mapped=1

== letters and digits are those of ASCII
~ mappings:
~ - {match: '^\w+$', match_type: regex, name: word}
~ - {match: '^[\d.]+$', match_type: regex, name: digits}
~ - {match: '\s', match_type: regex, name: blank}
~ - {match: '\bq\b', match_type: regex, name: q}
> é:1|c\n٣:1|c\nab_1:1|c\n1.2:1|c\na b:1|c\néqé:1|c
_ 2
blank 1
digits 1
q 1
word 1
= lines=6 c=6 mapped=4

== all globs before all regexes (exporter 109)
~ mappings:
~ - {match: '(.*)', match_type: regex, name: regex}
~ - {match: 'a.*', name: glob}
> a.b:1|c\nb:1|c
glob 1
regex 1
= lines=2 c=2 mapped=2

== regexes by their order
~ defaults: {match_type: regex}
~ mappings:
~ - {match: 'b$', name: first}
~ - {match: 'a', name: second}
~ - {match: 'ab', name: third, match_type: glob}
> ab:1|c\nacb:1|c\nac:1|c
first 1
second 1
third 1
= lines=3 c=3 mapped=3
"##,
    );
}

#[test]
fn types() {
    check(
        "types",
        r##"
== one match, a mapping for each type (exporter 111)
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

== an observer is all three, by its name of today and by the old one
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

== drop all that is not mapped (exporter 112)
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
= lines=4 c=4 mapped=4
"##,
    );
}

#[test]
fn observers() {
    check(
        "observers",
        r##"
== without a word on it, ms h and d are summaries (exporter 7, 8)
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

== a mapping that says what its observers are still takes counters and gauges
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

== a summary among histograms, its quantiles, and those of the defaults
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

== quantiles of a mapping, where all are summaries
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

== options of a histogram that nothing says it is (exporter 120)
~ mappings:
~ - {match: s, name: s, histogram_options: {buckets: [1]}}
> s:1|h
s{quantile="0.5"} 1
s{quantile="0.9"} 1
s{quantile="0.99"} 1
s_sum 1
s_count 1
= lines=1 h=1 mapped=1

== one name, other buckets: the first that is used holds (exporter 117)
~ defaults: {observer_type: histogram}
~ mappings:
~ - {match: a, name: n, histogram_options: {buckets: [1]}, labels: {by: a}}
~ - {match: b, name: n, histogram_options: {buckets: [2]}, labels: {by: b}}
> b:1|h\na:1|h
n_bucket{by="a",le="2"} 1
n_bucket{by="a",le="+Inf"} 1
n_sum{by="a"} 1
n_count{by="a"} 1
n_bucket{by="b",le="2"} 1
n_bucket{by="b",le="+Inf"} 1
n_sum{by="b"} 1
n_count{by="b"} 1
= lines=2 h=2 mapped=2
"##,
    );
}

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

== one that says nothing
~ # nothing
~ defaults:
~ mappings:
> a:1|c
a 1
= lines=1 c=1

== names stay as they are, dashes and all (exporter 82)
> a.*.m:1|c\na--x---y:1|c\na/x y:1|c\nA.UP:1|c\nt:1|c|#a--b:1
A_UP 1
a___m 1
a_x_y 2
t{a_b="1"} 1
= lines=5 c=5

== the container is a label, Graphite's tags are none (exporter 54)
> a:1|c|#t:v|c:abc\nb;x=y:1|c\nd,t=v:1|c
a{container_id="abc",t="v"} 1
b_x_y 1
d{t="v"} 1
= lines=3 c=3

== the first help holds, whatever the labels (exporter 116)
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

== labels that statsd_exporter should take and does not (exporter 122, a bug)
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
