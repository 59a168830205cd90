//! Which lines a rule is for.

use crate::row::check;

#[test]
fn patterns() {
    check(
        "patterns",
        r##"
== a regex is over the whole name (exporter 108)
~ [[metric]]
~ match_regex = 'foo'
~ name = "re_foo"
~ [[metric]]
~ match_regex = '.*bar.*'
~ name = "bars"
~ labels = { x = "$0" }
~ [[metric]]
~ match_regex = 'a|ab'
~ name = "either"
> foo:1|g\nxfoox:2|g\nabarb:3|g\nab:4|g\nabc:5|g
abc 5
bars{x="abarb"} 3
either 4
re_foo 1
xfoox 2
= lines=5 g=5 mapped=3

== a glob takes what a name can hold
~ defaults.service_checks = true
~ [[metric]]
~ match = "a b.*"
~ name = "blank_$1"
~ [[metric]]
~ match = "a|b"
~ name = "pipe"
~ [[metric]]
~ match = "up:*"
~ name = "up_$1"
> a b.c:1|g\na|b:2|g\n_sc|up:db|3\na b:4|g
a_b 4
blank_c 1
pipe 2
up_db 3
= lines=4 g=3 _sc=1 mapped=3

== named groups, in names and in labels (exporter 108)
~ [[metric]]
~ match_regex = '(?P<svc>[a-z-]+)\.(?P<what>.*)\.(\d+)'
~ name = "${svc}_$what"
~ labels = { svc = "$svc", n = "$3", first = "${1}_", all = "${0}" }
> my-app.up.a.12:1|g\nmy-app.up.a.x:2|g
my_app_up_a{all="my-app.up.a.12",first="my-app_",n="12",svc="my-app"} 1
my_app_up_a_x 2
= lines=2 g=2 mapped=1

== a name out of a regex is made legal, and may be none (exporter 107, 108)
~ [[metric]]
~ match_regex = '(n)\.(\d+)'
~ name = "${2}"
~ [[metric]]
~ match_regex = '(.*)_bar'
~ name = "${1}"
> n.123:1|g\nfoo_bar:2|g\n_bar:3|g
_123 1
foo 2
= lines=3 g=2 empty_name=1 mapped=2

== a group that had no part in it took nothing
~ [[metric]]
~ match_regex = '(a)|(b)'
~ name = "ab"
~ labels = { x = "$1", y = "$2" }
> a:1|g\nb:2|g
ab{x="a"} 1
ab{y="b"} 2
= lines=2 g=2 mapped=2

== classes are those of ASCII, as RE2 has them; a character is one
~ [[metric]]
~ match_regex = '\w+'
~ name = "words"
~ [[metric]]
~ match_regex = '(.)'
~ name = "one"
~ labels = { x = "$1" }
> abc_1:1|g\n\xc3\xbc:2|g\n\xc3\xbc\xc3\xbc:3|g
__ 3
one{x="ü"} 2
words 1
= lines=3 g=3 mapped=2

== a regex before a glob wins (exporter 109)
~ [[metric]]
~ match_regex = '(.*)\.b'
~ name = "regex"
~ [[metric]]
~ match = "a.*"
~ name = "glob"
> a.b:1|g\na.c:2|g
glob 2
regex 1
= lines=2 g=2 mapped=2

== and a glob before a regex (exporter 109)
~ [[metric]]
~ match = "a.*"
~ name = "glob"
~ [[metric]]
~ match_regex = '(.*)\.b'
~ name = "regex"
> a.b:1|g\nc.b:2|g
glob 1
regex 2
= lines=2 g=2 mapped=2

== each by its place in the file (exporter 101, 109)
~ [[metric]]
~ match = "order.ccc.bbb"
~ name = "first"
~ [[metric]]
~ match_regex = 'order\.[a-c]+\..*'
~ name = "second"
~ [[metric]]
~ match = "order.*.bbb"
~ name = "third"
~ [[metric]]
~ match_regex = '.*'
~ name = "fourth"
> order.ccc.bbb:1|g\norder.abc.bbb:2|g\norder.x.bbb:3|g\norder.x.y:4|g
first 1
fourth 4
second 2
third 3
= lines=4 g=4 mapped=4

== buckets without a type are those of the histogram that it becomes (exporter 120)
~ [[metric]]
~ match = "took"
~ name = "took_seconds"
~ buckets = [1]
> took:500|ms
took_seconds_bucket{le="1"} 1
took_seconds_bucket{le="+Inf"} 1
took_seconds_sum 0.5
took_seconds_count 1
= lines=1 ms=1 mapped=1

== labels of one letter, and globs that begin or end in a part (exporter 122)
~ [[metric]]
~ match = "a*"
~ name = "one"
~ labels = { a = "$1" }
~ [[metric]]
~ match = "b.*b"
~ name = "foo:bar"
~ labels = { b = "$1" }
~ [[metric]]
~ match = "1a.b"
~ name = "three"
~ [[metric]]
~ match = "-x"
~ name = "four"
~ [[metric]]
~ match = "c.**"
~ name = "five"
> ab:1|g\nb.xb:2|g\n1a.b:3|g\n-x:4|g\nc.1.2:5|g
five 5
foo:bar{b="x"} 2
four 4
one{a="b"} 1
three 3
= lines=5 g=5 mapped=5
"##,
    );
}

#[test]
fn conditions() {
    check(
        "conditions",
        r##"
== one name, a rule for each type (exporter 111)
~ defaults.buckets = [1]
~ [[metric]]
~ match = "a.*"
~ match_type = "c"
~ name = "a_jobs_total"
~ [[metric]]
~ match = "a.*"
~ match_type = ["g"]
~ name = "a_level"
> a.x:1|c\na.x:2|g\na.x:3|m\na.x:500|ms
a_jobs_total 1
a_level 2
a_x_seconds_bucket{le="1"} 1
a_x_seconds_bucket{le="+Inf"} 1
a_x_seconds_sum 0.5
a_x_seconds_count 1
a_x_total 3
= lines=4 c=1 g=1 m=1 ms=1 mapped=2

== several types in one rule (exporter 111)
~ [[metric]]
~ match_regex = '(a)'
~ match_type = ["ms", "h", "d"]
~ name = "observed"
~ buckets = [1]
~ [[metric]]
~ match = "a"
~ match_type = ["m", "c"]
~ name = "counted"
> a:500|ms\na:2|h\na:3|d\na:4|c\na:5|m\na:6|g
a 6
counted 9
observed_bucket{le="1"} 1
observed_bucket{le="+Inf"} 3
observed_sum 5.5
observed_count 3
= lines=6 ms=1 h=1 d=1 c=1 m=1 g=1 mapped=5

== the labels of one type's rule are no other type's (exporter 115)
~ [[metric]]
~ match = "k"
~ match_type = "c"
~ name = "k_total"
~ labels = { kind = "count" }
~ [[metric]]
~ match = "k"
~ match_type = "g"
~ name = "k_level"
~ labels = { other = "level" }
> k:1|c:2|g
k_level{other="level"} 2
k_total{kind="count"} 1
= lines=1 values=2 c=1 g=1 mapped=2

== drop one type only (exporter 112)
~ [[metric]]
~ match = "a.**"
~ match_type = ["g", "h"]
~ drop = true
> a.b:1|g\na.b:1|c\na.b:1:2|h\nb:1|g
a_b_total 1
b 1
= lines=4 values=5 c=1 g=1 dropped=3

== a regex that drops all the rest (exporter 112)
~ [[metric]]
~ match = "keep.*"
~ [[metric]]
~ match_regex = '.*'
~ drop = true
> keep.a:1|c\na:1|c\nkeep.a.b:1|g
keep_a_total 1
= lines=3 c=1 dropped=2 mapped=1

== a rule for lines with a tag
~ [[metric]]
~ match = "a"
~ match_tags = { env = "prod" }
~ name = "prod"
~ [[metric]]
~ match = "a"
~ match_tags = { env = "*", region = "eu-*" }
~ name = "eu"
> a:1|g|#env:prod\na:2|g|#env:dev,region:eu-1\na:3|g|#env:dev,region:us-1\na:4|g\na:5|g|#region:eu-1
> a:6|g|#env:production\na:7|g|#region:eu-1,env:prod\na:8|g|#env:\na:9|g|#Env:prod
a 8
a{Env="prod"} 9
a{env="dev",region="us-1"} 3
a{env="production"} 6
a{region="eu-1"} 5
eu{env="dev",region="eu-1"} 2
prod{env="prod",region="eu-1"} 7
prod{env="prod"} 1
= lines=9 g=9 mapped=3 tag:empty_value=1

== tags are known by the labels that they become
~ [[metric]]
~ match = "a"
~ match_tags = { "user-id" = "*" }
~ name = "user"
~ [[metric]]
~ match = "a"
~ match_tags = { le = "*" }
~ name = "le"
~ [[metric]]
~ match = "a"
~ match_tags = { prod = "true" }
~ name = "prod"
> a:1|g|#user-id:7\na:2|g|#user.id:8\na:3|g|#user_id:9\na:4|g|#le:1\na:5|g|#prod
le{exported_le="1"} 4
prod{prod="true"} 5
user{user_id="7"} 1
user{user_id="8"} 2
user{user_id="9"} 3
= lines=5 g=5 mapped=5 tag:reserved_key=1

== the value of a tag is one text, dots or not
~ [[metric]]
~ match = "a"
~ match_tags = { url = "http://*/x*y" }
~ name = "urls"
~ labels = { url = "" }
> a:1|g|#url:http://a.b.c:80/d/xy\na:2|g|#url:http://a/y\na:3|g|#url:xhttp://a/xy
a{url="http://a/y"} 2
a{url="xhttp://a/xy"} 3
urls 1
= lines=3 g=3 mapped=1

== of a tag given twice the last counts
~ [[metric]]
~ match = "a"
~ match_tags = { env = "prod" }
~ name = "prod"
> a:1|g|#env:dev,env:prod\na:2|g|#env:prod,env:dev
a{env="dev"} 2
prod{env="prod"} 1
= lines=2 g=2 mapped=1 tag:duplicate_key=2

== drop by a tag, and keep the others
~ [[metric]]
~ match = "**"
~ match_tags = { debug = "*" }
~ match_type = "c"
~ drop = true
> a:1|c|#debug\na:2|c|#debug:0,t:1,t:2\na:3|g|#debug\na:4|c
a{debug="true"} 3
a_total 4
= lines=4 c=1 g=1 dropped=2

== a tag that is one too many is not looked at
~ limits.tags = 2
~ [[metric]]
~ match = "**"
~ match_tags = { debug = "*" }
~ drop = true
> a:1|c|#x:1,debug:1\na:1|c|#debug:1,x:1,y:1\na:1|c|#x:1,y:1,debug:1\na:1|c|#x:1,y:1
a_total{x="1",y="1"} 1
= lines=4 c=1 dropped=2 tag_limit=1

== a type that the first rule does not take goes on to the next, one that it cannot feed does not
~ [[metric]]
~ match = "a"
~ type = "counter"
~ name = "a_total"
~ match_type = "c"
~ [[metric]]
~ match = "a"
~ type = "gauge"
~ name = "a"
~ [[metric]]
~ match = "b"
~ type = "counter"
~ name = "b_total"
> a:1|c\na:2|g\na:3|ms\nb:1|g
a 2
a_total 1
= lines=4 c=1 g=1 type_conflict=2 mapped=2
"##,
    );
}
