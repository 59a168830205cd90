//! Rules.

use crate::row::check;

#[test]
fn rules() {
    check(
        "rules",
        r##"
== captures become labels (exporter 99)
~ [[metric]]
~ match = "test.dispatcher.*.*.*"
~ name = "dispatch"
~ labels = { processor = "$1", action = "$2", job = "t_${3}" }
> test.dispatcher.Foo.send.ok:1|c\ntest.dispatcher.Foo.send:1|c
dispatch{action="send",job="t_ok",processor="Foo"} 1
test_dispatcher_Foo_send_total 1
= lines=2 c=2 mapped=1

== templates (exporter 100, 106)
~ [[metric]]
~ match = "t.*.*"
~ labels = { a = "$1_foo", b = "$1$2", c = "$0", d = "$$1", e = "$1%", f = "${1}0", g = "$1-$2", h = "plain" }
> t.x.y:1|g
t_x_y{a="x_foo",b="xy",c="t.x.y",d="$1",e="x%",f="x0",g="x-y",h="plain"} 1
= lines=1 g=1 mapped=1

== ten captures and more (exporter 106)
~ [[metric]]
~ match = "*.*.*.*.*.*.*.*.*.*.*"
~ name = "t"
~ labels = { a = "$1-$10", b = "${1}-${11}" }
> a.b.c.d.e.f.g.h.i.j.k:1|g
t{a="a-j",b="a-k"} 1
= lines=1 g=1 mapped=1

== a name out of captures is made legal (exporter 107)
~ [[metric]]
~ match = "svc.*"
~ name = "svc_${1}_total"
~ [[metric]]
~ match = "n.*"
~ name = "$1"
~ [[metric]]
~ match = "z.**"
~ name = "${1}"
> svc.a-b/c:1|c\nn.123:1|g\nn.le:1|g\nz.a.b--c:1|g\nn.:1|g
_123 1
a_b__c 1
le 1
svc_a_b_c_total 1
= lines=5 c=1 g=3 empty_name=1 mapped=4

== it can be no reserved one
~ [[metric]]
~ match = "n.*"
~ name = "${1}_fds"
~ [[metric]]
~ match = "m.*"
~ name = "${1}_x"
> n.process_open:1|g\nm.statsidecar:1|g\nn.x:1|g
x_fds 1
= lines=3 g=1 reserved_name=2 mapped=1

== of a name with captures, what the rule says is used as it stands
~ [[metric]]
~ match = "a.*"
~ name = "job:${1}:rate"
~ [[metric]]
~ match = "b.*.*"
~ name = "$1${2}9"
> a.b:1|g\na.x/y:2|g\nb.9.x--y:3|g\nb..:4|g\na.:5|g
_9 4
_9x__y9 3
job::rate 5
job:b:rate 1
job:x_y:rate 2
= lines=5 g=5 mapped=5

== a name that a rule writes out is used as it stands
~ [[metric]]
~ match = "a"
~ name = "jobs:done"
~ [[metric]]
~ match = "b"
~ name = "took"
~ buckets = [1]
> a:1|c\nb:500|ms
jobs:done 1
took_bucket{le="1"} 1
took_bucket{le="+Inf"} 1
took_sum 0.5
took_count 1
= lines=2 c=1 ms=1 mapped=2

== a rule without a name leaves the line's own
~ [[metric]]
~ match = "a.*"
~ help = "Help."
> a.b:1|c\na.c:1|g
# HELP a_b_total Help.
# TYPE a_b_total counter
a_b_total 1
# HELP a_c Help.
# TYPE a_c gauge
a_c 1
= lines=2 c=1 g=1 mapped=2

== the first match in file order wins (exporter 101)
~ [[metric]]
~ match = "order.*.*"
~ name = "first"
~ [[metric]]
~ match = "order.*.bbb"
~ name = "second"
> order.x.bbb:1|g\norder.x.ccc:2|g
first 2
= lines=2 g=2 mapped=2

== also where it is the wider one that comes last
~ [[metric]]
~ match = "order.ccc.bbb"
~ name = "first"
~ [[metric]]
~ match = "order.*.bbb"
~ name = "second"
~ [[metric]]
~ match = "order.*.*"
~ name = "third"
> order.ccc.bbb:1|g\norder.x.bbb:2|g\norder.ccc.zzz:3|g
first 1
second 2
third 3
= lines=3 g=3 mapped=3

== a branch that fails leaves nothing behind (exporter 102, 103)
~ [[metric]]
~ match = "bt.*.bbb"
~ name = "first"
~ labels = { x = "$1" }
~ [[metric]]
~ match = "bt.just.aaa"
~ name = "second"
~ labels = { x = "$0" }
~ [[metric]]
~ match = "*.just.*"
~ name = "third"
~ labels = { x = "$1-$2" }
> bt.just.bbb:1|g\nbt.just.aaa:2|g\nbt.just.ccc:3|g
first{x="just"} 1
second{x="bt.just.aaa"} 2
third{x="bt-ccc"} 3
= lines=3 g=3 mapped=3

== a rule that is the start of another one matches (exporter 104)
~ [[metric]]
~ match = "a.b.c"
~ name = "long"
~ [[metric]]
~ match = "a.b"
~ name = "short"
> a.b:1|g\na.b.c:2|g\na:3|g
a 3
long 2
short 1
= lines=3 g=3 mapped=2

== of two that overlap the first (exporter 105)
~ [[metric]]
~ match = "a.*"
~ name = "first"
~ [[metric]]
~ match = "*.b"
~ name = "second"
> a.b:1|g\nx.b:2|g\na.x:3|g
first 3
second 2
= lines=3 g=3 mapped=3

== every form of a glob
~ [[metric]]
~ match = "p.a*"
~ name = "begins"
~ labels = { x = "$1" }
~ [[metric]]
~ match = "p.*z"
~ name = "ends"
~ labels = { x = "$1" }
~ [[metric]]
~ match = "p.k*l*m"
~ name = "holds"
~ labels = { x = "$1", y = "$2" }
~ [[metric]]
~ match = "q.*.**"
~ name = "rest"
~ labels = { x = "$1", y = "$2" }
~ [[metric]]
~ match = "*"
~ name = "one"
~ labels = { x = "$1" }
> p.abc:1|g\np.xyz:2|g\np.k1l2m:3|g\nq.r.s.t.u:4|g\nq:5|g\nq.r:6|g\np.b:7|g\np.a.b:8|g\np.a:9|g
begins 9
begins{x="bc"} 1
ends{x="xy"} 2
holds{x="1",y="2"} 3
one{x="q"} 5
p_a_b 8
p_b 7
q_r 6
rest{x="r",y="s.t.u"} 4
= lines=9 g=9 mapped=6

== ** alone takes everything
~ [[metric]]
~ match = "**"
~ name = "all"
~ labels = { x = "$1" }
> a:1|g\na.b.c:2|g
all{x="a"} 1
all{x="a.b.c"} 2
= lines=2 g=2 mapped=2

== names are matched as they came: case, blanks and slashes (exporter 110)
~ [[metric]]
~ match = "Jobs.*"
~ name = "jobs"
~ labels = { x = "$1" }
> Jobs.a b/c:1|g\njobs.a:2|g
jobs{x="a b/c"} 1
jobs_a 2
= lines=2 g=2 mapped=1

== a rule's label beats a tag, and a tag it does not set stays (exporter 114)
~ [[metric]]
~ match = "a.*"
~ name = "a"
~ labels = { job = "$1" }
> a.rule:1|g|#job:tag,k:v
a{job="rule",k="v"} 1
= lines=1 g=1 mapped=1

== a label without a value is none
~ [[metric]]
~ match = "a*"
~ name = "x"
~ labels = { rest = "$1" }
> a:1|g\na:2|g|#rest:tag\nab:3|g
x 2
x{rest="b"} 3
= lines=3 g=3 mapped=3

== drop (exporter 112)
~ [[metric]]
~ match = "debug.keep"
~ [[metric]]
~ match = "debug.**"
~ drop = true
> debug.a:1|c\ndebug.a.b:1:2|ms\ndebug.keep:1|c\nok:1|c\ndebug.a:1|c|#t:1,t:2
debug_keep_total 1
ok_total 1
= lines=5 c=2 dropped=4 mapped=1 values=6

== what is no number is rejected before a rule drops it
~ [[metric]]
~ match = "debug.**"
~ drop = true
> debug.a:x|c\ndebug.a:1|zz\n:1|c
= lines=3 bad_value=1 unknown_type=1 empty_name=1

== scale (exporter 113)
~ [[metric]]
~ match = "kb"
~ scale = 1024
~ [[metric]]
~ match = "n"
~ scale = -1
~ [[metric]]
~ match = "t"
~ scale = 1000
~ name = "t"
~ buckets = [5, 6]
~ [[metric]]
~ match = "us"
~ name = "us_seconds"
~ scale = 1e-6
~ buckets = [1, 2]
> kb:2|c\nkb:1|c|@0.5\nkb:2|g\nkb:-1|g\nn:5|c\nn:-5|c\nt:5|ms\nus:1500000|h
kb 1024
kb_total 4096
n_total 5
t_bucket{le="5"} 1
t_bucket{le="6"} 1
t_bucket{le="+Inf"} 1
t_sum 5
t_count 1
us_seconds_bucket{le="1"} 0
us_seconds_bucket{le="2"} 1
us_seconds_bucket{le="+Inf"} 1
us_seconds_sum 1.5
us_seconds_count 1
= lines=8 c=3 g=2 ms=1 h=1 negative_counter=1 mapped=7

== what overflows by its scale is no value
~ [[metric]]
~ match = "a"
~ scale = 1e300
> a:1e10|c\na:1e10|g\na:1e10|h\na:1|g
a 1e300
= lines=4 g=1 bad_value=3 mapped=1

== init: at 0 before the first line
~ [[metric]]
~ match = "jobs.*"
~ name = "jobs_total"
~ type = "counter"
~ labels = { table = "$1" }
~ init = [{ table = "raw" }, { table = "done" }]
~ [[metric]]
~ match = "depth"
~ name = "depth"
~ type = "gauge"
~ help = "How deep."
~ init = [{}]
~ [[metric]]
~ match = "took"
~ name = "took_seconds"
~ type = "histogram"
~ buckets = [1]
~ labels = { stage = "load" }
~ init = [{ kind = "a" }]
> jobs.raw:2|c
# TYPE depth gauge
depth 0
# TYPE jobs_total counter
jobs_total{table="done"} 0
jobs_total{table="raw"} 2
# TYPE took_seconds histogram
took_seconds_bucket{kind="a",stage="load",le="1"} 0
took_seconds_bucket{kind="a",stage="load",le="+Inf"} 0
took_seconds_sum{kind="a",stage="load"} 0
took_seconds_count{kind="a",stage="load"} 0
= lines=1 c=1 mapped=1

== init series are there without any line, and the lines find them
~ [labels]
~ team = "x"
~ [[metric]]
~ match = "took"
~ name = "took_seconds"
~ type = "histogram"
~ buckets = [1]
~ init = [{ kind = "a" }]
>
took_seconds_bucket{kind="a",team="x",le="1"} 0
took_seconds_bucket{kind="a",team="x",le="+Inf"} 0
took_seconds_sum{kind="a",team="x"} 0
took_seconds_count{kind="a",team="x"} 0
=

== constant labels are on every series, and beat a tag
~ [labels]
~ team = "data"
~ [[metric]]
~ match = "r"
~ labels = { team = "rule" }
> a:1|c\na:1|c|#team:tag,k:v\nr:1|g\nr:2|g|#team:tag
a_total{k="v",team="data"} 1
a_total{team="data"} 1
r{team="rule"} 2
= lines=4 c=2 g=2 mapped=2

== an empty file has no rules (exporter 125)
~ # nothing
> a:1|c
a_total 1
= lines=1 c=1
"##,
    );
}
