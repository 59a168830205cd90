//! What becomes of the tags of a line that a rule is for.

use crate::row::check;

#[test]
fn tag_policies() {
    check(
        "tag-policies",
        r##"
== no tags at all
~ defaults.container_label = true
~ labels.team = "x"
~ [[metric]]
~ match = "a.*"
~ name = "a"
~ tags = "drop"
~ labels = { job = "$1" }
> a.b:1|g|#k:1,le:2,k:3,:,x:\na.b:2|g|#k:1|c:ci-1
a{container_id="ci-1",job="b",team="x"} 2
a{job="b",team="x"} 1
= lines=2 g=2 mapped=2 tag:empty_tag=1 tag:empty_value=1

== all of them
~ [[metric]]
~ match = "a"
~ tags = "keep"
> a:1|g|#k:1,l:2
a{k="1",l="2"} 1
= lines=1 g=1 mapped=1

== some of them
~ [[metric]]
~ match = "a"
~ keep_tags = ["user-id", "le", "env"]
> a:1|g|#user.id:7,le:2,x:3,x:4\na:2|g|#env:prod,quantile:1\na:3|g|#x:1
a 3
a{env="prod"} 2
a{exported_le="2",user_id="7"} 1
= lines=3 g=3 mapped=3 tag:reserved_key=1

== all but some of them
~ [[metric]]
~ match = "a"
~ drop_tags = ["user-id", "le"]
> a:1|g|#user.id:7,le:2,x:3,x:4\na:2|g|#userid:1
a{userid="1"} 2
a{x="4"} 1
= lines=2 g=2 mapped=2 tag:duplicate_key=1

== dropped tags make one series
~ [[metric]]
~ match = "a"
~ drop_tags = ["request"]
> a:1|c|#request:1,k:v\na:2|c|#request:2,k:v\na:3|c|#k:v
a_total{k="v"} 6
= lines=3 c=3 mapped=3

== renamed
~ [[metric]]
~ match = "a"
~ rename_tags = { svc = "service", "user-id" = "user", le = "limit" }
> a:1|g|#svc:x,user.id:7,le:2,k:v\na:2|g|#service:y
a{k="v",limit="2",service="x",user="7"} 1
a{service="y"} 2
= lines=2 g=2 mapped=2

== of two tags that become one label the last wins, and it is counted
~ [[metric]]
~ match = "a"
~ rename_tags = { svc = "service" }
> a:1|g|#svc:x,service:y\na:2|g|#service:y,svc:x
a{service="x"} 2
a{service="y"} 1
= lines=2 g=2 mapped=2 tag:duplicate_key=2

== two tags may change places
~ [[metric]]
~ match = "a"
~ rename_tags = { x = "y", y = "x" }
> a:1|g|#x:1,y:2
a{x="2",y="1"} 1
= lines=1 g=1 mapped=1

== what is dropped goes by the client's own name
~ [[metric]]
~ match = "a"
~ rename_tags = { svc = "service" }
~ drop_tags = ["service"]
> a:1|g|#svc:x,service:y
a{service="x"} 1
= lines=1 g=1 mapped=1

== so does what is kept
~ [[metric]]
~ match = "a"
~ rename_tags = { svc = "service" }
~ keep_tags = ["svc"]
> a:1|g|#svc:x,service:y,k:v
a{service="x"} 1
= lines=1 g=1 mapped=1

== a renamed tag meets the rule's label, which wins (exporter 114)
~ [[metric]]
~ match = "a.*"
~ name = "a"
~ rename_tags = { svc = "service" }
~ labels = { service = "$1" }
> a.rule:1|g|#svc:tag\na.rule:2|g|#k:v
a{k="v",service="rule"} 2
a{service="rule"} 1
= lines=2 g=2 mapped=2

== unless the rule prefers the tag (exporter 114)
~ [[metric]]
~ match = "a.*"
~ name = "a"
~ rename_tags = { svc = "service" }
~ labels = { service = "$1", other = "o" }
~ prefer = "tag"
> a.rule:1|g|#svc:tag\na.rule:2|g|#k:v\na.rule:3|g|#service:,other:p
a{k="v",other="o",service="rule"} 2
a{other="o",service="tag"} 1
a{other="p",service="rule"} 3
= lines=3 g=3 mapped=3 tag:empty_value=1

== a dropped tag is not preferred
~ [[metric]]
~ match = "a.*"
~ name = "a"
~ drop_tags = ["service"]
~ labels = { service = "$1" }
~ prefer = "tag"
> a.rule:1|g|#service:tag
a{service="rule"} 1
= lines=1 g=1 mapped=1

== a constant label beats a tag, but for one that a rule sets and leaves to the tag
~ labels.team = "constant"
~ labels.dc = "d1"
~ [[metric]]
~ match = "a"
~ labels = { team = "rule" }
~ prefer = "tag"
> a:1|g|#team:tag,dc:tag\na:2|g
a{dc="d1",team="rule"} 2
a{dc="d1",team="tag"} 1
= lines=2 g=2 mapped=2
"##,
    );
}
