//! Types, numbers and rates.

use crate::row::check;

#[test]
fn types_and_values() {
    check(
        "types",
        r##"
== every type, and what it becomes (exporter 1, 2, 7, 8)
~ defaults.buckets = [1]
> a:2|c\nb:3|m\nc:4|g\nd:200|ms\ne:200|h\nf:0.5|d
# TYPE a_total counter
a_total 2
# TYPE b_total counter
b_total 3
# TYPE c gauge
c 4
# TYPE d_seconds histogram
d_seconds_bucket{le="1"} 1
d_seconds_bucket{le="+Inf"} 1
d_seconds_sum 0.2
d_seconds_count 1
# TYPE e histogram
e_bucket{le="1"} 0
e_bucket{le="+Inf"} 1
e_sum 200
e_count 1
# TYPE f histogram
f_bucket{le="1"} 1
f_bucket{le="+Inf"} 1
f_sum 0.5
f_count 1
= lines=6 c=1 m=1 g=1 ms=1 h=1 d=1

== a meter is a counter by another name
> a:1|c\na:2|m
a_total 3
= lines=2 c=1 m=1

== h and d feed one histogram
~ defaults.buckets = [1]
> a:1|h\na:3|d
a_bucket{le="1"} 1
a_bucket{le="+Inf"} 2
a_sum 4
a_count 2
= lines=2 h=1 d=1

== the help of what no rule describes
> a:1|c\nb:1|g\nc:1|h\nc:2|h
# HELP a_total Counter fed by StatsD; no rule gives it a help text.
# TYPE a_total counter
a_total 1
# HELP b Gauge fed by StatsD; no rule gives it a help text.
# TYPE b gauge
b 1
# HELP c Histogram fed by StatsD; no rule gives it a help text.
# TYPE c histogram
c_bucket{le="0.005"} 0
c_bucket{le="0.01"} 0
c_bucket{le="0.025"} 0
c_bucket{le="0.05"} 0
c_bucket{le="0.1"} 0
c_bucket{le="0.25"} 0
c_bucket{le="0.5"} 0
c_bucket{le="1"} 1
c_bucket{le="2.5"} 2
c_bucket{le="5"} 2
c_bucket{le="10"} 2
c_bucket{le="+Inf"} 2
c_sum 3
c_count 2
= lines=4 c=1 g=1 h=2

== a bound belongs to its bucket, and a timer meets it in seconds (exporter 119)
~ defaults.buckets = [0.25, 0.5]
> a:250|ms\na:250.1|ms\na:500|ms\na:501|ms
a_seconds_bucket{le="0.25"} 1
a_seconds_bucket{le="0.5"} 3
a_seconds_bucket{le="+Inf"} 4
a_seconds_sum 1.5011
a_seconds_count 4
= lines=4 ms=4

== a negative observation is below every bound (exporter 21, 119)
~ defaults.buckets = [-1, 0, 1]
> a:-5|ms\nb:-1|h\nb:-2|h
a_seconds_bucket{le="-1"} 0
a_seconds_bucket{le="0"} 1
a_seconds_bucket{le="1"} 1
a_seconds_bucket{le="+Inf"} 1
a_seconds_sum -0.005
a_seconds_count 1
b_bucket{le="-1"} 2
b_bucket{le="0"} 2
b_bucket{le="1"} 2
b_bucket{le="+Inf"} 2
b_sum -3
b_count 2
= lines=3 ms=1 h=2

== an observation with a sign is no relative one
~ defaults.buckets = [1]
> a:+5|h\na:+5|h
a_bucket{le="1"} 0
a_bucket{le="+Inf"} 2
a_sum 10
a_count 2
= lines=2 h=2

== numbers that are (exporter 13, 20)
> a:5|c\nb:+5|c\nc:5.|c\nd:.5|c\ne:1e3|c\nf:1E3|c\ng:2.5e-1|c\nh:1e+2|c\ni:007|c\nj:-0|c\nk:0.0|c\nl:1e-400|c
a_total 5
b_total 5
c_total 5
d_total 0.5
e_total 1000
f_total 1000
g_total 0.25
h_total 100
i_total 7
j_total 0
k_total 0
l_total 0
= lines=12 c=12

== whole numbers are exact, and large ones have no exponent (exporter 35)
> a:9007199254740993|c\nb:18446744073709551615|c\nc:1000000|c\nd:12345678901234567890|c\ne:1000000|g\nf:9007199254740993|c\nf:9007199254740993|c
a_total 9007199254740993
b_total 18446744073709551615
c_total 1000000
d_total 12345678901234567890
e 1000000
f_total 18014398509481986
= lines=7 c=6 g=1

== beyond 2^64 a counter is rounded, and never falls or overflows
> a:18446744073709551615|c\na:1|c\nb:1e300|c\nc:1.7e308|c\nc:1.7e308|c\nc:1|c
a_total 1.8446744073709552e19
b_total 1e300
c_total 1.7976931348623157e308
= lines=6 c=6

== the fractions of a counter are kept (exporter 35, trap 5)
> a:1.5|c\na:1.5|c\nb:0.4|c\nc:0.1|c\nc:0.2|c\nd:2|c\nd:0.25|c
a_total 3
b_total 0.4
c_total 0.30000000000000004
d_total 2.25
= lines=7 c=7

== a gauge is set, or moved where it has a sign (exporter 4, 5)
> a:-10|g\nb:-10|g\nb:+4|g\nc:-10|g\nc:+4|g\nc:7|g\nd:333|g\nd:-10|g\nd:+4|g\ne:+5|g\ne:+5|g\nf:5|g\nf:-0|g\nf:+0|g
a -10
b -6
c 7
d 327
e 10
f 5
= lines=14 g=14

== fractions and large numbers of a gauge
> a:0.1|g\na:+0.2|g\nb:1e18|g\nc:-1.5e-7|g\nd:1e308|g\nd:+1e308|g\ne:-1e308|g\ne:-1e308|g\ne:3|g
a 0.30000000000000004
b 1e18
c -1.5e-7
d 1.7976931348623157e308
e 3
= lines=9 g=9

== one sample cannot spoil a sum (trap 15)
~ defaults.buckets = [1]
> a:1e308|h\na:1e308|h\na:NaN|h\na:-1e308|h
a_bucket{le="1"} 1
a_bucket{le="+Inf"} 3
a_sum 7.976931348623157e307
a_count 3
= lines=4 h=3 bad_value=1
"##,
    );
}

#[test]
fn sample_rates() {
    check(
        "rates",
        r##"
== a counter is divided by the rate (exporter 22, trap 1, trap 6)
> a:1|c|@0.1\nb:3|c|@0.3\nc:1|c|@0.75\nd:1|c|@0.9\ne:1|c|@1\nf:2|c|@1.0\ng:1|m|@0.5\nh:1|c|@0.001\ni:1|c|@1e-2
a_total 10
b_total 10
c_total 1.3333333333333333
d_total 1.1111111111111112
e_total 1
f_total 2
g_total 2
h_total 1000
i_total 100
= lines=9 c=8 m=1

== a rate that has no exact f64 gives whole numbers all the same
> a:1|c|@0.00001\nb:1|c|@1e-9\nc:7|c|@0.00001\nd:1|c|@0.02040816326530612\ne:0.9|c|@0.3
a_total 100000
b_total 1000000000
c_total 700000
d_total 49
e_total 3
= lines=5 c=5

== thirds add up (trap 1)
> \{a:1|c|@0.3\n*3}\{b:1|c|@0.6\n*3}
a_total 10
b_total 5
= lines=6 c=6

== the weight is scaled and not the value, in the buckets too (trap 2, trap 3)
~ defaults.buckets = [0.1, 1]
> a:320|ms|@0.1
a_seconds_bucket{le="0.1"} 0
a_seconds_bucket{le="1"} 10
a_seconds_bucket{le="+Inf"} 10
a_seconds_sum 3.2
a_seconds_count 10
= lines=1 ms=1

== one observation at 0.3 is three and a rest (exporter 30)
~ defaults.buckets = [1]
> a:0|h|@0.3
a_bucket{le="1"} 3
a_bucket{le="+Inf"} 3
a_sum 0
a_count 3
= lines=1 h=1

== two are six and a rest
~ defaults.buckets = [1]
> a:0|h|@0.3\na:0|h|@0.3
a_bucket{le="1"} 6
a_bucket{le="+Inf"} 6
a_sum 0
a_count 6
= lines=2 h=2

== three are ten, and the rest goes to the bucket of the third
~ defaults.buckets = [1]
> a:2|h|@0.3\na:2|h|@0.3\na:1|h|@0.3
a_bucket{le="1"} 4
a_bucket{le="+Inf"} 10
a_sum 16.666666666666668
a_count 10
= lines=3 h=3

== truncated weights would show (exporter 30, trap 1)
~ defaults.buckets = [1]
> \{a:0|h|@0.9\n*9}\{b:0|h|@0.75\n*3}\{c:0|h|@0.6\n*3}\{d:0|h|@0.51\n*51}
a_bucket{le="1"} 10
a_bucket{le="+Inf"} 10
a_sum 0
a_count 10
b_bucket{le="1"} 4
b_bucket{le="+Inf"} 4
b_sum 0
b_count 4
c_bucket{le="1"} 5
c_bucket{le="+Inf"} 5
c_sum 0
c_count 5
d_bucket{le="1"} 100
d_bucket{le="+Inf"} 100
d_sum 0
d_count 100
= lines=66 h=66

== a rest is carried over whatever the rates are: of 6.87 observations 6
~ defaults.buckets = [1]
> a:0|h|@0.7\na:0|h|@0.3\na:0|h\na:2|h|@0.9
a_bucket{le="1"} 5
a_bucket{le="+Inf"} 6
a_sum 2.2222222222222223
a_count 6
= lines=4 h=4

== each series carries a rest of its own
~ defaults.buckets = [1]
> a:0|h|@0.6|#k:1\na:0|h|@0.6|#k:2\na:0|h|@0.6|#k:1
a_bucket{k="1",le="1"} 3
a_bucket{k="1",le="+Inf"} 3
a_sum{k="1"} 0
a_count{k="1"} 3
a_bucket{k="2",le="1"} 1
a_bucket{k="2",le="+Inf"} 1
a_sum{k="2"} 0
a_count{k="2"} 1
= lines=3 h=3

== a sum is exact (exporter 31, 32)
~ defaults.buckets = [1]
> a:0.5|ms|@0.1\nb:0.01|h|@0.2|#t:v\nb:0.01|d|@0.2|#t:v
a_seconds_bucket{le="1"} 10
a_seconds_bucket{le="+Inf"} 10
a_seconds_sum 0.005
a_seconds_count 10
b_bucket{t="v",le="1"} 10
b_bucket{t="v",le="+Inf"} 10
b_sum{t="v"} 0.1
b_count{t="v"} 10
= lines=3 ms=1 h=1 d=1

== a rate costs the same whatever it is: two million million observations (exporter 34, trap 4)
~ defaults.buckets = [1]
> \{a:1|h|@1e-9\n*2000}\{b:1|c|@1e-9\n*2000}
a_bucket{le="1"} 2000000000000
a_bucket{le="+Inf"} 2000000000000
a_sum 2000000000000
a_count 2000000000000
b_total 2000000000000
= lines=4000 h=2000 c=2000

== a gauge ignores the rate (exporter 3)
> a:3|g|@0.2\nb:+3|g|@0.5\nb:-1|g|@0.5
a 3
b 2
= lines=3 g=3

== of two rates the last holds (exporter 33)
> a:1|c|@0.5|@0.1
a_total 10
= lines=1 c=1

== a bad rate makes no series, and spoils none (exporter 24, 29)
> a:1|c|@NaN\nb:1|c\nb:1|c|@0\nb:1|c|@0.5
b_total 3
= lines=4 c=2 bad_sample_rate=2
"##,
    );
}
