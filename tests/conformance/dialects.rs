//! The ways to write tags, and which of them are read.

use crate::row::check;

#[test]
fn dialects() {
    check(
        "dialects",
        r##"
== the name in each dialect (exporter 62)
> a#t1=x,t2=y:1|c\na,t1=x,t2=y:1|c\na:1|c|#t1:x,t2:y\na;t1=x;t2=y:1|c\na[t1=x,t2=y]:1|c\na.[t1=x]b:1|c\na[t1=x]:1|c\n[t1=x]a:1|c
a_b_total{t1="x"} 1
a_total{t1="x",t2="y"} 5
a_total{t1="x"} 2
= lines=8 c=8

== a # before each tag is no part of it (exporter 63)
> a:1|c|#t1:x,#t2:y
a_total{t1="x",t2="y"} 1
= lines=1 c=1

== a colon in brackets is the tag's, for sets as for all
> a[h=db:1]:ann|s\na[h=db:1]:bob|s\na[u=http://x/y]:ann|s\nb[h=db:1]:1|c\nc,h=db:ann:1|s
a{h="db:1"} 2
a{u="http://x/y"} 1
b_total{h="db:1"} 1
c{h="db"} 1
= lines=5 s=4 c=1

== keys are made legal (exporter 64)
> a#09digits=0,tag.with.dots=1:1|c\nb,09digits=0:1|c\nc;tag.with.dots=1:1|c\nd[a-b=1]:1|c
a_total{_09digits="0",tag_with_dots="1"} 1
b_total{_09digits="0"} 1
c_total{tag_with_dots="1"} 1
d_total{a_b="1"} 1
= lines=4 c=4

== a tag without a value is true (exporter 65)
> a:1|c|#novalue\na,novalue:1|c\na;novalue:1|c\na#novalue:1|c\na[novalue]:1|c
a_total{novalue="true"} 5
= lines=5 c=5

== and costs no other tag (exporter 66)
> a:1|c|#novalue,t:v\na,novalue,t=v:1|c\na;t=v;novalue:1|c
a_total{novalue="true",t="v"} 3
= lines=3 c=3

== what is empty is left out and counted, however it is written (exporter 67)
> a:1|c|#t:v,,\na:1|c|#t:v,\na:1|c|#,t:v\nb:1|c|#t:\nb:1|c|#:v\na,t=v,:1|c\na;;t=v:1|c\nb#t=:1|c\nb[=v]:1|c
a_total{t="v"} 5
b_total 4
= lines=9 c=9 tag:empty_tag=6 tag:empty_value=2 tag:empty_key=2

== a value is all behind its first separator (exporter 68)
> a:1|c|#t:foo:bar
a_total{t="foo:bar"} 1
= lines=1 c=1

== in a name too, and the first dialect there takes the rest (exporter 69)
> a,t=a=b:1|c\nb#t=a#u=b:1|c\nc;t=a,u=b:1|c\nd,t=a;u=b[0]:1|c
a_total{t="a=b"} 1
b_total{t="a#u=b"} 1
c_total{t="a,u=b"} 1
d_total{t="a;u=b[0]"} 1
= lines=4 c=4

== of two tags with one key the last wins, and it is counted (exporter 70)
> a:1|c|#a.b:1,a-b:2\nb:1|c|#t:1,t:2\nc,t=1,t=2:1|c\nd[t=1],t=2:1|c|#t:3
a_total{a_b="2"} 1
b_total{t="2"} 1
c_total{t="2"} 1
d_total{t="3"} 1
= lines=4 c=4 tag:duplicate_key=5

== two dialects in a line: the tags of both are taken (exporter 71)
> a,t=x:1|c|#u:y\na#t=x:1|c|#u:y|@0.1\na;t=x:1|c|@0.1|#u:y\na[t=x]:1|c|#u:y
a_total{t="x",u="y"} 22
= lines=4 c=4

== brackets with nothing between them (exporter 72)
> a[]:1|c|#u:b\na,:1|c|#u:b\na;:1|c|#u:b\na#:1|c|#u:b
a_total{u="b"} 4
= lines=4 c=4

== brackets with tags without values (exporter 73)
> a.[t1,t2]b:1|c
a_b_total{t1="true",t2="true"} 1
= lines=1 c=1

== a bracket alone leaves the whole name as it is (exporter 74)
> [t1=x,t2=yb:1|c\nt1=x]b:1|c\na[t=x]b]:1|c
_t1_x_t2_yb_total 1
a_t_x_b__total 1
t1_x_b_total 1
= lines=3 c=3 tag:unpaired_bracket=3

== so do brackets in the wrong order (exporter 75)
> a]b[:1|c
a_b__total 1
= lines=1 c=1 tag:unpaired_bracket=1

== brackets and another dialect in one name (exporter 76)
> a[t=x],u=y:1|c\na[t=x];u=y:1|c\na[t=x]#u=y:1|c\n[t=x]a[u=y]:1|c
a_total{t="x",u="y"} 4
= lines=4 c=4

== a colon in a value does not end the name (exporter 77)
> a,url=http://x:1|c\nb,url=http://x:80:1|c\nc;url=http://x:80:1|c\nd#url=http://x:80:1|c\ne[url=http://x:80]:1|c\nf[at=12:30:15]g:1|c
a_total{url="http://x"} 1
b_total{url="http://x:80"} 1
c_total{url="http://x:80"} 1
d_total{url="http://x:80"} 1
e_total{url="http://x:80"} 1
fg_total{at="12:30:15"} 1
= lines=6 c=6

== but a number does, for others may follow
> a,k=v:1:2|c\nb,k=v:1:x:2|c\nc[k=v]:1:2|c\nd[at=12:30]:1:2|c\ne,k=v:1|c:2|c\nf,at=12:30:1|c
a_total{k="v"} 3
b_total{k="v"} 3
c_total{k="v"} 3
d_total{at="12:30"} 3
e_total{k="v"} 3
f_total{at="12"} 31
= lines=6 c=12 bad_value=1 values=13

== and without a tag in the name the first colon always does
> a:x:1|c\nb,c:x:1|c\nd[k=v]:x:1|c\ne,k=v:x|c\nf,k=v:|c
a_total 1
b_total{c="true"} 1
d_total{k="v"} 1
= lines=5 c=3 bad_value=5 values=8

== values are kept as they are, and escaped (exporter 78)
> a:1|c|#k:"q\\u"\nb,k="q\\u":1|c\nc;k=é ü\tx:1|c\nd[k={}]:1|c
a_total{k="\"q\\u\""} 1
b_total{k="\"q\\u\""} 1
c_total{k="é ü	x"} 1
d_total{k="{}"} 1
= lines=4 c=4

== a key of letters that are not allowed (exporter 79)
> a:1|c|#é:1\na,é=1:1|c
a_total{_="1"} 2
= lines=2 c=2

== sections in any order, and several of tags (exporter 80)
> a:1|c|#t:v|@0.1\na,t=v:1|c|@0.1\nb:1|c|#a:b|#c:d\nb,a=b:1|c|#c:d
a_total{t="v"} 20
b_total{a="b",c="d"} 2
= lines=4 c=4

== a colon in a tag is no second sample (exporter 81)
> a:1|c|#a:b:2|c
a_total{a="b:2"} 1
= lines=1 c=1 section:c=1

== names are made legal without their tags (exporter 82)
> a.*.m,t=v:1|c\na--x---y;t=v:1|c\n0a#t=v:1|c\na/x y[t=v]:1|c\nwith😱[t=v]e:1|c\nA.UP,t=v:1|c
A_UP_total{t="v"} 1
_0a_total{t="v"} 1
a___m_total{t="v"} 1
a__x___y_total{t="v"} 1
a_x_y_total{t="v"} 1
with_e_total{t="v"} 1
= lines=6 c=6

== an empty name before tags (exporter 83)
> ,t=v:1|c\n[t=v]:1|c\n;t=v:1|c\n#t=v:1|c\n,:1|c
= lines=5 empty_name=5

== reserved labels are renamed (exporter 84)
> a:1|c|#__x:y,__name__:z\na,__x=y,__name__=z:1|c\na[__x=y,__name__=z]:1|c
a_total{exported___name__="z",exported___x="y"} 3
= lines=3 c=3 tag:reserved_key=6

== those of histograms and summaries too (exporter 85)
~ defaults.buckets = [1]
> a,quantile=1:1|ms\na;quantile=1:1|ms\nb#le=1:1|h
a_seconds_bucket{exported_quantile="1",le="1"} 2
a_seconds_bucket{exported_quantile="1",le="+Inf"} 2
a_seconds_sum{exported_quantile="1"} 0.002
a_seconds_count{exported_quantile="1"} 2
b_bucket{exported_le="1",le="1"} 1
b_bucket{exported_le="1",le="+Inf"} 1
b_sum{exported_le="1"} 1
b_count{exported_le="1"} 1
= lines=3 ms=2 h=1 tag:reserved_key=3

== no dialect at all: all of it is the name, and # sections are passed by (exporter 86)
~ tags.dialects = []
~ defaults.container_label = true
> a#t=x:1|c\na[t=x]:1|c\na,t=x:1|c\na;t=x:1|c\na:1|c|#t:x\na#t=x:1|c|#u:b\na:1|c|#a:b|c:id\na]:1|c\na,u=x:2:1|c
a__total 1
a_t_x__total 1
a_t_x_total 4
a_total 1
a_total{container_id="id"} 1
a_u_x_total 3
= lines=9 c=10 values=10
"##,
    );
}

#[test]
fn switches() {
    check(
        "switches",
        r##"
== without DogStatsD its sections are passed by, whatever is in them
~ tags.dialects = ["influxdb", "graphite", "librato", "signalfx"]
> a:1|c|#t:x\na:1|c|#,:v,t:\na:1|c|@0.5|#t:x|x:9\na,k=v:1|c|#t:x\na:1|c|#\{t:1,*99}t
a_total 5
a_total{k="v"} 1
= lines=5 c=5 section:x=1

== but have to be text
~ tags.dialects = []
> a:1|c|#\xff
= lines=1 not_utf8=1

== without InfluxDB a comma is part of the name
~ tags.dialects = ["dogstatsd", "graphite", "librato", "signalfx"]
> a,k=v:1|c\na,k=v:x:1|c\na;k=v,l=w:1|c\na[k=v],l=w:1|c
a_k_v_total 2
a_l_w_total{k="v"} 1
a_total{k="v,l=w"} 1
= lines=4 c=4 bad_value=1 values=5

== without Graphite a semicolon
~ tags.dialects = ["dogstatsd", "influxdb", "librato", "signalfx"]
> a;k=v:1|c\na,k=v;l=w:1|c
a_k_v_total 1
a_total{k="v;l=w"} 1
= lines=2 c=2

== without Librato a hash
~ tags.dialects = ["dogstatsd", "influxdb", "graphite", "signalfx"]
> a#k=v:1|c\na#b,k=v:1|c\na#b:1|c|#k:v
a_b_total{k="v"} 2
a_k_v_total 1
= lines=3 c=3

== without SignalFX brackets, in any order
~ tags.dialects = ["dogstatsd", "influxdb", "graphite", "librato"]
> a[k=v]:1|c\na]b[:1|c\na[b,k=v]:1|c
a_b__total 1
a_b_total{k="v]"} 1
a_k_v__total 1
= lines=3 c=3

== only SignalFX
~ tags.dialects = ["signalfx"]
> a[k=v,l=w]b,c:1|c|#t:x
ab_c_total{k="v",l="w"} 1
= lines=1 c=1
"##,
    );
}

#[test]
fn names_and_their_tags() {
    check(
        "names-tags",
        r##"
== in any order, in any dialect they are the same series
> a,b=1,c=2:1|c\na,c=2,b=1:1|c\na;b=1;c=2:1|c\na[c=2],b=1:1|c\na[c=2]:1|c|#b:1\n[b=1]a#c=2:1|c
a_total{b="1",c="2"} 6
= lines=6 c=6

== a rule matches the name without its tags
~ [[metric]]
~ match = "jobs.*.done"
~ name = "jobs_total"
~ type = "counter"
~ labels = { queue = "$1", all = "$0" }
> jobs.mail.done,k=v:1|c\njobs.m[k=v]ail.done:1|c\njobs.mail;queue=x:1|c\njobs.mail.done;queue=x:1|c
jobs_mail_total{queue="x"} 1
jobs_total{all="jobs.mail.done",k="v",queue="mail"} 2
jobs_total{all="jobs.mail.done",queue="mail"} 1
= lines=4 c=4 mapped=3

== a suffix goes to the name
~ defaults.buckets = [1]
> a_total,k=v:1|c\nb,k=v:1|ms
a_total{k="v"} 1
b_seconds_bucket{k="v",le="1"} 1
b_seconds_bucket{k="v",le="+Inf"} 1
b_seconds_sum{k="v"} 0.001
b_seconds_count{k="v"} 1
= lines=2 c=1 ms=1

== the limit on tags is for all of a line
~ limits.tags = 3
> a,b=1,c=2:1|c|#d:3\na,b=1,c=2:1|c|#d:3,e:4\na;b=1;c=2;d=3;e=4:1|c\na[b=1,c=2],d=3:1|c
a_total{b="1",c="2",d="3"} 2
= lines=4 c=2 tag_limit=2

== errors count for every line
> \{a,t=1,t=2,:1|c\n*3}\{b]:1|c\n*2}
a_total{t="2"} 3
b__total 2
= lines=5 c=5 tag:duplicate_key=3 tag:empty_tag=3 tag:unpaired_bracket=2

== the older packing shares the tags of the name
> a,t=x:1|c:2|g\nb[t=x]:1|c|@0.5:3|c
a{t="x"} 2
a_total{t="x"} 1
b_total{t="x"} 5
= lines=2 c=3 g=1 values=4

== tags of the name that are not text
> a,t=\xff:1|c\na,t=\xff:x:1|c\na[\xff:1|c
= lines=3 not_utf8=3
"##,
    );
}
