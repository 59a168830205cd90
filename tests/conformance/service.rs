//! Service checks and events.

use crate::row::check;

#[test]
fn service_checks() {
    check(
        "service_checks",
        r##"
== a service check is counted as dropped (exporter 61)
> _sc|db.up|0|#a:b\n_sc|db.up|3\na:1|c
a_total 1
= lines=3 c=1 dropped=2

== it becomes a gauge where the owner wants it, under its own name
~ defaults.service_checks = true
> _sc|db.up|0\n_sc|cache-up|1\n_sc|a|2\n_sc|b|3\n_sc|b|1
# TYPE a gauge
a 2
# TYPE b gauge
b 1
# TYPE cache_up gauge
cache_up 1
# TYPE db_up gauge
db_up 0
= lines=5 _sc=5

== its tags are labels; the host, the time and the message are none
~ defaults.service_checks = true
> _sc|a|0|d:1656581400|h:web1|#k:v,l|m:a, b:c\n_sc|a|1|#l,k:v|h:web2\n_sc|a|2|m:|#k:no
a 2
a{k="v",l="true"} 1
= lines=3 _sc=3

== a message is the last, and holds anything
~ defaults.service_checks = true
> _sc|a|0|#k:v|m:not | ok: 1|c|@0.1|#k:w\r\n_sc|a|1|m:a|x
a 1
a{k="v"} 0
= lines=2 _sc=2

== other sections are read as in any line
~ defaults.service_checks = true
~ defaults.container_label = true
> _sc|a|1|c:ci-1|#k:v|e:it-x|card:low|T1\n_sc|a|2|x:1|#k:v|y\n_sc|a|3|#k:v,,:x,k:w\n_sc|a|0|@0.5
a 0
a{container_id="ci-1",k="v"} 1
a{k="v"} 2
a{k="w"} 3
= lines=4 _sc=4 section:x=1 section:y=1 section:other=1 tag:empty_tag=1 tag:empty_key=1 tag:duplicate_key=1

== a status is 0 to 3, whether it is exposed or not
> _sc|a|4\n_sc|a|-1\n_sc|a|1.0\n_sc|a|00\n_sc|a|ok\n_sc|a|1:2\n_sc|a:1|c\n_sc|a| 0
= lines=8 bad_value=8

== one that is cut off is no service check
> _sc|\n_sc|a\n_sc|a|\n_sc|a||#k:v\n_sc\n_sc|\xff|0\n_sc|a|0|m:\xff\n_sc||0
= lines=8 malformed_line=5 not_utf8=2 empty_name=1

== only _sc| begins one
> _score:1|c\n_sc:1|c\n _sc|a|0\na:1|_sc
_sc_total 1
_score_total 1
= lines=4 c=2 malformed_line=1 unknown_type=1

== a name may hold what separates the parts of other lines
~ defaults.service_checks = true
> _sc|a:b.c/d|1
a_b_c_d 1
= lines=1 _sc=1

== rules are for service checks too
~ [defaults]
~ service_checks = true
~ [[metric]]
~ match = "up.*"
~ name = "service_up"
~ type = "gauge"
~ labels = { service = "$1" }
~ scale = -1
~ [[metric]]
~ match = "drop.*"
~ drop = true
~ [[metric]]
~ match = "count.*"
~ name = "checks_total"
~ type = "counter"
> _sc|up.db|2|#k:v\n_sc|drop.db|0\n_sc|count.db|1
service_up{k="v",service="db"} -2
= lines=3 _sc=1 mapped=1 dropped=1 type_conflict=1

== a gauge and a service check of one name are one gauge
~ defaults.service_checks = true
> a:5|g\n_sc|a|1\na:+1|g\nb:1|h\n_sc|b|0
a 2
b_bucket{le="0.005"} 0
b_bucket{le="0.01"} 0
b_bucket{le="0.025"} 0
b_bucket{le="0.05"} 0
b_bucket{le="0.1"} 0
b_bucket{le="0.25"} 0
b_bucket{le="0.5"} 0
b_bucket{le="1"} 1
b_bucket{le="2.5"} 1
b_bucket{le="5"} 1
b_bucket{le="10"} 1
b_bucket{le="+Inf"} 1
b_sum 1
b_count 1
= lines=5 g=2 _sc=1 h=1 type_conflict=1
"##,
    );
}

#[test]
fn events() {
    check(
        "events",
        r##"
== an event is counted and not exposed (exporter 61)
> _e{5,4}:title|text\n_e{5,4}:title|text|d:1656581400|h:web1|p:low|t:error|#a:b,c\na:1|c
a_total 1
= lines=3 c=1 events=2

== its lengths are those of the bytes, whatever they are
> _e{3,3}:a|b|c|d\n_e{2,7}:é|ü\\nöx\n_e{1,0}:a|\n_e{1,1}:1|c\n_e{3,3}:a:1|c:2|#k:v\r
= lines=5 events=5

== a line break in its text is written as \n, or cuts it in two
> _e{5,11}:title|one\\ntwo\\\\x\n_e{5,7}:title|one\ntwo
= lines=3 events=1 malformed_line=2

== one that is not as long as it says is malformed
> _e{5,4}:title|tex\n_e{5,4}:title|texts\n_e{4,4}:title|text\n_e{5,4}:title\n_e{5,4}\n_e{5,4
= lines=6 malformed_line=6

== so is one without a length or a title
> _e{}:title|text\n_e{5}:title|text\n_e{5,x}:title|text\n_e{+5,4}:title|text\n_e{0,4}:|text\n_e{5,99999999999999999999}:title|text\n_e{:1|c
= lines=7 malformed_line=7

== text is UTF-8
> _e{1,1}:a|\xff\n_e{1,1}:a|b|x\xff
= lines=2 not_utf8=2

== only _e{ begins one
> _e:1|c\n_events:1|c\ne{1,1}:1|c
_e_total 1
_events_total 1
e_1_total{_1_="true"} 1
= lines=3 c=3

== no rule is for events
~ [[metric]]
~ match = "**"
~ drop = true
> _e{5,4}:title|text\na:1|c
= lines=2 dropped=1 events=1
"##,
    );
}
