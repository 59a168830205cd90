//! Globs: which names match, which of several globs applies, and what is captured.

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

== the first glob in the file wins (exporter 101)
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

== without an order, a glob that matches only the beginning is skipped (exporter 102)
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

== captures of a skipped glob are forgotten (exporter 103)
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

== a glob that begins an earlier one matches too (exporter 104, a bug)
~ mappings:
~ - {match: a.b.c, name: long}
~ - {match: a.b, name: short}
> a.b:1|c\na.b.c:1|c
long 1
short 1
= lines=2 c=2 mapped=2

== a glob that begins a later one matches too (exporter 104)
~ mappings:
~ - {match: a.b, name: short}
~ - {match: a.b.c, name: long}
> a.b:1|c\na.b.c:1|c
long 1
short 1
= lines=2 c=2 mapped=2

== the first of two equal globs wins, even with other globs between them (exporter 105, a bug)
~ mappings:
~ - {match: a.*, name: first}
~ - {match: "*.b", name: second}
~ - {match: a.*, name: third}
> a.b:1|c\nx.b:1|c\na.c:1|c
first 2
second 1
= lines=3 c=3 mapped=3

== references (exporter 106, with bugs there)
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

== ten captures (exporter 106, with a bug there)
~ mappings:
~ - match: "*.*.*.*.*.*.*.*.*.*"
~   name: t
~   labels: {plain: "$1-$10", braces: "${1}-${10}"}
> a.b.c.d.e.f.g.h.i.j:1|g
t{braces="a-j",plain="a-j"} 1
= lines=1 g=1 mapped=1

== captures in names (exporter 107)
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

== case matters, and a star matches any part between two dots (exporter 110)
~ mappings:
~ - match: a.*
~   name: a
~   labels: {what: "$1"}
> a.b /c:1|c\nA.b:1|c\na.:1|c
A_b 1
a 1
a{what="b /c"} 1
= lines=3 c=3 mapped=2

== unusual globs that are valid (exporter 122)
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
