//! Regexes: where in a name they match, and in which order they are tried.

use crate::check;

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

== the whole match as a reference, which renumbers the groups (exporter 108)
~ defaults: {match_type: regex}
~ mappings:
~ - match: 'b(\d+)|c(\d+)'
~   name: n
~   labels: {all: "$0", one: "$1", two: "${2}"}
> a.b12.x:1|c\na.c3:1|c
n{all="b12",one="12"} 1
n{all="c3",two="3"} 1
= lines=2 c=2 mapped=2

== the leftmost match, as long as its repetitions allow
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

== syntax of Go: classes, octal escapes and quoted text
~ defaults: {match_type: regex}
~ mappings:
~ - match: '^app\.([\w-.]+)\.count$'
~   name: app
~   labels: {l: "$1"}
~ - match: '^q\056([^[]+)$'
~   name: q
~   labels: {l: "$1"}
~ - match: '^\Qz.z\E(.)'
~   name: z
~   labels: {l: "$1"}
> app.a-b.c.count:1|g\nq.a!:2|g\nqxa:3|g\nz.z1:4|g\nzxz1:5|g
app{l="a-b.c"} 1
q{l="a!"} 2
qxa 3
z{l="1"} 4
zxz1 5
= lines=5 g=5 mapped=3

== named groups (exporter 108)
~ mappings:
~ - match: '^(?P<svc>\w+)\.(?P<op>[\w-]+)\.took$'
~   match_type: regex
~   name: took
~   labels: {svc: "$svc", op: "${op}_x", none: "$svcx", number: "$2"}
> api.get-it.took:1|g
took{number="get-it",op="get-it_x",svc="api"} 1
= lines=1 g=1 mapped=1

== a group that makes an empty name (exporter 108)
~ mappings:
~ - {match: '(.*)_bar', match_type: regex, name: "${1}"}
> _bar:1|c\na_bar:1|c
a 1
= lines=2 c=1 empty_name=1 mapped=1

== letters and digits are ASCII
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
= lines=6 c=6 mapped=4 merged=1

== all globs before all regexes (exporter 109)
~ mappings:
~ - {match: '(.*)', match_type: regex, name: regex}
~ - {match: 'a.*', name: glob}
> a.b:1|c\nb:1|c
glob 1
regex 1
= lines=2 c=2 mapped=2

== regexes are tried in file order
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
