//! Sets and summaries: what looks back over a window of time.

use crate::row::check;
use crate::support::{Daemon, Scratch};
use crate::{client, clients, started};

#[test]
fn sets() {
    check(
        "sets",
        r##"
== a set tells how many different members were seen (exporter 9)
> u:ann|s\nu:bob|s\nu:ann|s\nv:1|s
# TYPE u gauge
u 2
# TYPE v gauge
v 1
= lines=4 s=4

== its help where no rule gives any
> u:ann|s
# HELP u Different members seen by StatsD; no rule gives it a help text.
u 1
= lines=1 s=1

== members are any text, which is no number
> u:1|s\nu:1.0|s\nu:+1|s\nu:NaN|s\nu: |s\nu:é|s\nu:a,b;c#d@e|s\nu:NaN|s
u 7
= lines=8 s=8

== a member runs to the type, whatever stands in it (trap: packed values are not for sets)
> u:a:b|s\nu:a|s\nu:b|s\nu:a:b|s\nu::|s\nu:10.0.0.1:80|s|#k:v
u 4
u{k="v"} 1
= lines=6 s=6

== no member is no value
> u:|s\nu:|s|#k:v\nv:1|c::|s
v 1
v_total 1
= lines=3 values=4 c=1 s=1 bad_value=2

== bytes that are not text are no member
> u:\xff|s\nu:a|s\nu:\xff|s\nu:a|s|#k:\xff
u 1
= lines=4 s=1 not_utf8=3

== a rate has no effect, but one that is wrong is rejected
> u:a|s|@0.1\nu:b|s|@1\nu:c|s|@2\nu:d|s|@x
u 2
= lines=4 s=2 bad_sample_rate=2

== tags make series, and their members are their own
> u:a|s|#k:v,l:w\nu:b|s|#l:w,k:v\nu:a|s|#k:x\nu:a|s|c:ci-1|T1656581400
u 1
u{k="v",l="w"} 2
u{k="x"} 1
= lines=4 s=4

== the older packing
> u:a|s:b|s:a|s\nw:1|c:a:b|s:2|c
u 2
w 1
w_total 3
= lines=2 values=6 s=4 c=2

== not with DogStatsD tags
> u:a|s:b|s|#k:v
= lines=1 unknown_type=1

== a name is that of a gauge, and stays as it is
~ defaults.naming = "verbatim"
> u.x--y:a|s
u_x_y 1
= lines=1 s=1

== a set and a gauge are two types
> u:a|s\nu:1|g\nu:b|s\nv:1|g\nv:a|s
u 2
v 1
= lines=5 s=2 g=1 type_conflict=2

== a declared set is fed by s alone
~ [[metric]]
~ match = "users.*"
~ name = "active_users"
~ type = "set"
~ labels = { app = "$1" }
> users.a:ann|s\nusers.a:1|c\nusers.a:1|g\nusers.a:1|ms\nusers.a:1|h\nusers.a:1|d\nusers.a:1|m\nusers.b:bob|s
active_users{app="a"} 1
active_users{app="b"} 1
= lines=8 s=2 mapped=2 type_conflict=6

== and no other declared type by s
~ [[metric]]
~ match = "c"
~ type = "counter"
~ [[metric]]
~ match = "g"
~ type = "gauge"
~ [[metric]]
~ match = "h"
~ type = "histogram"
~ [[metric]]
~ match = "y"
~ type = "summary"
> c:1|s\ng:1|s\nh:1|s\ny:1|s
= lines=4 type_conflict=4

== a set owns no name but its own
> u:a|s\nu_count:1|g\nu_sum:1|g\nv_count:1|g\nv:a|s
u 1
u_count 1
u_sum 1
v 1
v_count 1
= lines=5 s=2 g=3

== one that is declared is there at 0
~ [[metric]]
~ match = "users"
~ name = "active_users"
~ type = "set"
~ init = [{ app = "a" }]
> users:ann|s|#app:b
active_users{app="a"} 0
active_users{app="b"} 1
= lines=1 s=1 mapped=1
"##,
    );
}

#[test]
fn summaries() {
    check(
        "summaries",
        r##"
== timers are summaries where the owner wants it (exporter 7, 8)
~ defaults.timer = "summary"
> a:320|ms\nb:7|h\nb:7|d\nc:-0.5|d
# TYPE a_seconds summary
a_seconds{quantile="0.5"} 0.32
a_seconds{quantile="0.9"} 0.32
a_seconds{quantile="0.99"} 0.32
a_seconds_sum 0.32
a_seconds_count 1
# TYPE b summary
b{quantile="0.5"} 7
b{quantile="0.9"} 7
b{quantile="0.99"} 7
b_sum 14
b_count 2
# TYPE c summary
c{quantile="0.5"} -0.5
c{quantile="0.9"} -0.5
c{quantile="0.99"} -0.5
c_sum -0.5
c_count 1
= lines=4 ms=1 h=1 d=2

== the quantiles of [defaults], and those of a rule
~ [defaults]
~ quantiles = [0, 1]
~ [[metric]]
~ match = "rpc.*"
~ name = "rpc_seconds"
~ type = "summary"
~ help = "Time of a call."
~ labels = { rpc = "$1" }
~ quantiles = [0.25]
~ [[metric]]
~ match = "size"
~ type = "summary"
> rpc.get:1500|ms\nsize:3:1:2|h
# HELP rpc_seconds Time of a call.
# TYPE rpc_seconds summary
rpc_seconds{rpc="get",quantile="0.25"} 1.5
rpc_seconds_sum{rpc="get"} 1.5
rpc_seconds_count{rpc="get"} 1
# HELP size Summary fed by StatsD; no rule gives it a help text.
# TYPE size summary
size{quantile="0"} 1
size{quantile="1"} 3
size_sum 6
size_count 3
= lines=2 values=4 ms=1 h=3 mapped=4

== a weight is so many observations, whole ones (exporter 30, 31, 34)
~ defaults.timer = "summary"
~ defaults.quantiles = [0, 1]
> a:1|h|@0.3\nb:1|h|@0.3\nb:1|h|@0.3\nb:1|h|@0.3\nc:0.5|ms|@0.000000001\nd:8|h|@0.5\nd:2|h
a{quantile="0"} 1
a{quantile="1"} 1
a_sum 3.3333333333333335
a_count 3
b{quantile="0"} 1
b{quantile="1"} 1
b_sum 10
b_count 10
c_seconds{quantile="0"} 0.0005
c_seconds{quantile="1"} 0.0005
c_seconds_sum 500000
c_seconds_count 1000000000
d{quantile="0"} 2
d{quantile="1"} 8
d_sum 18
d_count 3
= lines=7 h=6 ms=1

== any number is observed, and none spoils the others
~ defaults.timer = "summary"
~ defaults.quantiles = [0, 0.5, 1]
> a:0|h\na:1e-300|h\na:-1e300|h\na:1e300|h\na:0:0|h\nb:1e300|h\nb:0|h
a{quantile="0"} -1e300
a{quantile="0.5"} 0
a{quantile="1"} 1e300
a_sum 0
a_count 6
b{quantile="0"} 0
b{quantile="0.5"} 0
b{quantile="1"} 1e300
b_sum 1e300
b_count 2
= lines=7 values=8 h=8

== what is no number is rejected as elsewhere
~ defaults.timer = "summary"
~ defaults.quantiles = [1]
> a:NaN|h\na:Inf|h\na:1|h|@0\na:1e308|h|@0.1\na:1|h
a{quantile="1"} 1
a_sum 1
a_count 1
= lines=5 h=1 bad_value=3 bad_sample_rate=1

== a tag named quantile is renamed (trap 13)
~ defaults.timer = "summary"
~ defaults.quantiles = [0.5]
> a:1|h|#quantile:0.5,z:y
a{exported_quantile="0.5",z="y",quantile="0.5"} 1
a_sum{exported_quantile="0.5",z="y"} 1
a_count{exported_quantile="0.5",z="y"} 1
= lines=1 h=1 tag:reserved_key=1

== a summary owns its _sum and its _count, and no _bucket
~ defaults.timer = "summary"
~ defaults.quantiles = [1]
> a:1|h\na_sum:1|g\na_count:1|g\na_bucket:1|g\nb_count:1|g\nb:1|h\nc_bucket:1|g\nc:1|h
a{quantile="1"} 1
a_sum 1
a_count 1
a_bucket 1
b_count 1
c{quantile="1"} 1
c_sum 1
c_count 1
c_bucket 1
= lines=8 h=2 g=3 name_collision=3

== a summary is fed by ms, h and d alone
~ [defaults]
~ quantiles = [1]
~ [[metric]]
~ match = "a"
~ type = "summary"
> a:1|h\na:1|c\na:1|g\na:1|m\na:2|d\na:x|s
a{quantile="1"} 2
a_sum 3
a_count 2
= lines=6 h=1 d=1 mapped=2 type_conflict=4

== a histogram and a summary of one name are two types
~ [[metric]]
~ match = "x"
~ name = "a"
~ type = "summary"
~ quantiles = [1]
> x:1|h\na:1|h
a{quantile="1"} 1
a_sum 1
a_count 1
= lines=2 h=1 mapped=1 type_conflict=1

== the quantiles of the first rule hold
~ [[metric]]
~ match = "x"
~ name = "a"
~ type = "summary"
~ quantiles = [1]
~ [[metric]]
~ match = "y"
~ name = "a"
~ type = "summary"
> x:1|h\ny:2|h|#k:v
a{quantile="1"} 1
a_sum 1
a_count 1
a{k="v",quantile="1"} 2
a_sum{k="v"} 2
a_count{k="v"} 1
= lines=2 h=2 mapped=2

== one that is declared is there without quantiles
~ [[metric]]
~ match = "a"
~ name = "a"
~ type = "summary"
~ quantiles = [0.5, 1]
~ scale = 2
~ init = [{}, { k = "v" }]
> a:1|h|#k:v
a{quantile="0.5"} NaN
a{quantile="1"} NaN
a_sum 0
a_count 0
a{k="v",quantile="0.5"} 2
a{k="v",quantile="1"} 2
a_sum{k="v"} 2
a_count{k="v"} 1
= lines=1 h=1 mapped=1

== histograms beside a summary by rule
~ [defaults]
~ buckets = [1]
~ [[metric]]
~ match = "a"
~ type = "summary"
~ quantiles = [1]
> a:1|h\nb:1|h
a{quantile="1"} 1
a_sum 1
a_count 1
b_bucket{le="1"} 1
b_bucket{le="+Inf"} 1
b_sum 1
b_count 1
= lines=2 h=2 mapped=1
"##,
    );
}

// ---- What takes more than one row ----

fn started_with(name: &str, config: &str) -> (Daemon, Scratch) {
    let scratch = Scratch::new(name);
    let config = scratch.write("config.toml", config);
    (started(&["--config", &config]), scratch)
}

#[test]
fn a_set_is_a_set_on_the_sidecars_own_metrics() {
    let (daemon, _scratch) = started_with("own_types", "defaults.timer = \"summary\"");
    client(daemon.udp[0]).send(b"u:a|s\nu:a|s|#k:v\nt:1|ms\n_e{1,1}:a|b").expect("a packet");
    daemon.scrape_with(&[
        "statsidecar_series{type=\"gauge\"} 0",
        "statsidecar_series{type=\"set\"} 2",
        "statsidecar_families{type=\"set\"} 1",
        "statsidecar_series{type=\"summary\"} 1",
        "statsidecar_events_total 1",
    ]);
}

#[test]
fn a_set_is_exact_up_to_1024_members_and_near_above() {
    let daemon = started(&[]);
    let client = client(daemon.udp[0]);
    let mut packets = 0;
    let mut see = |members: std::ops::Range<u32>| {
        for first in members.clone().step_by(32) {
            let lines: Vec<String> = (first..members.end.min(first + 32)).map(|n| format!("u:member {n}|s")).collect();
            client.send(lines.join("\n").as_bytes()).expect("a packet");
            packets += 1;
        }
        let page = clients(&daemon.scrape_after(packets));
        page[0].strip_prefix("u ").and_then(|count| count.parse::<f64>().ok()).expect("the set")
    };
    assert_eq!(see(0..1000), 1000.0);
    assert_eq!(see(500..1024), 1024.0);
    assert_eq!(see(0..1024), 1024.0);
    // Four times the standard error of 1.6 %.
    for many in [2_000_u32, 20_000] {
        let count = see(0..many);
        assert!((count / f64::from(many) - 1.0).abs() < 0.065, "{count} of {many}");
        assert_eq!(count.fract(), 0.0);
    }
}

#[test]
fn members_leave_with_the_window() {
    let (daemon, _scratch) = started_with("set_window", "defaults.set_window = \"1s\"");
    let client = client(daemon.udp[0]);
    client.send(b"u:a|s\nu:b|s\nu:c|s").expect("a packet");
    daemon.scrape_with(&["u 3"]);
    daemon.scrape_with(&["u 0"]);
    client.send(b"u:d|s\nu:a|s").expect("a packet");
    daemon.scrape_with(&["u 2"]);
    daemon.scrape_with(&["u 0"]);
    // 20,000 are no longer known one by one, and leave all the same.
    for first in (0..20_000).step_by(50) {
        let lines: Vec<String> = (first..first + 50).map(|n| format!("v:{n}|s")).collect();
        client.send(lines.join("\n").as_bytes()).expect("a packet");
    }
    daemon.scrape_after(402);
    daemon.scrape_with(&["v 0"]);
    client.send(b"v:a|s").expect("a packet");
    daemon.scrape_with(&["v 1"]);
}

#[test]
fn quantiles_are_off_by_1_percent_at_most() {
    let (daemon, _scratch) = started_with("quantiles", "defaults.timer = \"summary\"");
    let client = client(daemon.udp[0]);
    // 1 to 1,000 ms, each once, in no order: 7 and 1,000 have no common factor.
    for first in 0..50 {
        let values: Vec<String> = (first * 20..first * 20 + 20).map(|n| (n * 7 % 1000 + 1).to_string()).collect();
        client.send(format!("a:{}|ms", values.join(":")).as_bytes()).expect("a packet");
    }
    let page = clients(&daemon.scrape_after(50));
    let value = |series: &str| -> f64 {
        let line = page.iter().find_map(|line| line.strip_prefix(series));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{series} is not among {page:?}"))
    };
    for (quantile, expected) in [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99)] {
        let value = value(&format!("a_seconds{{quantile=\"{quantile}\"}} "));
        assert!((value / expected - 1.0_f64).abs() <= 0.010_001, "{value} at {quantile}");
    }
    assert_eq!((value("a_seconds_sum "), value("a_seconds_count ")), (500.5, 1000.0));
}
