//! Packets and lines.

use crate::row::check;

#[test]
fn packets_and_lines() {
    check(
        "packets",
        r##"
== a line without an end
> a:1|c
a_total 1
= lines=1 c=1

== lines with their ends, an empty one among them (exporter 42)
> a:1|c\nb:2|c\n\nc:3|c\n
a_total 1
b_total 2
c_total 3
= lines=3 c=3

== one \r before the end is dropped (exporter 11)
> a:1|c\r\nb:2|g\r\nc:3|c|#k:v\r\nd:4|c|@0.5\r
a_total 1
b 2
c_total{k="v"} 3
d_total 8
= lines=4 c=3 g=1

== but only one
> a:1|c\r\r\nb:1|c
b_total 1
= lines=2 c=1 unknown_type=1

== empty lines are nothing
> \n\n\r\n\r\n\r
=

==datagrams an empty datagram is a packet without lines (exporter 42)
>
> a:1|c
a_total 1
= lines=1 c=1

== a line ends with its datagram
> a:1|c\nb:
> 2|c\nc:1|c
a_total 1
c_total 1
= lines=4 c=2 malformed_line=2

== a line of 8192 bytes is read
> a:1|c|x\{y*8185}
a_total 1
= lines=1 c=1 section:x=1

== a line of 8193 bytes is not, and its neighbours are
> a:1|c\nb:1|c|x\{y*8186}\nc:1|c
a_total 1
c_total 1
= lines=3 c=2 line_too_long=1

== the \r does not count, nor does the \n
> a:1|c|x\{y*8185}\r\nb:1|c
a_total 1
b_total 1
= lines=2 c=2 section:x=1

== a line of 60000 bytes costs nothing but itself
> a:1|c\n\{x*60000}\nb:1|c\n\{\x00*5000}
a_total 1
b_total 1
= lines=4 c=2 line_too_long=1 malformed_line=1

== max_line is the owner's
~ intake.max_line = 16
> aaaaaaaaaaaa:1|c\naaaaaaaaaaaaa:1|c\nb:1|c
aaaaaaaaaaaa_total 1
b_total 1
= lines=3 c=2 line_too_long=1

== the largest datagram there can be
> \{a:1|c\n*10917}a:1|c
a_total 10918
= lines=10918 c=10918

== many packets
> a:1|c\na:1|c
> a:1|c
> a:1|c\n
a_total 4
= lines=4 c=4
"##,
    );
}
