//! Lines that are rejected.

use crate::row::{Row, run, tokens, unescaped};

/// Each between two good lines, which must be applied, while nothing of the bad one is on the page.
#[test]
fn a_rejected_line_costs_nothing_but_itself() {
    let table = r##"
malformed_line a
malformed_line a:
malformed_line :
malformed_line :1
malformed_line a:1
malformed_line a|c
malformed_line |c
malformed_line 1|c
malformed_line a 1 c
malformed_line |h|#k:v
malformed_line \x00
malformed_line {"a":1}
empty_name :1|c
empty_name :1|g|#k:v
empty_name :+1|g
unknown_type a:1|
unknown_type a:1||c
unknown_type a:1|C
unknown_type a:1|G
unknown_type a:1|MS
unknown_type a:1|t
unknown_type a:1|cc
unknown_type a:1|ct
unknown_type a:1|c\x20
unknown_type a:1| c
unknown_type a:1|@0.5|c
unknown_type a:1|#k:v|c
unknown_type a:1|c:2|c|#k:v
bad_value a:|c
bad_value a: |c
bad_value a:1 |c
bad_value a: 1|c
bad_value a:1\t|c
bad_value a:1 2|c
bad_value a:1o|c
bad_value a:abc|c
bad_value a:NaN|c
bad_value a:nan|c
bad_value a:NaN|g
bad_value a:+NaN|g
bad_value a:NaN|h
bad_value a:NaN|ms
bad_value a:Inf|c
bad_value a:inf|g
bad_value a:-Inf|g
bad_value a:+Inf|g
bad_value a:infinity|h
bad_value a:0x10|c
bad_value a:0x1p4|c
bad_value a:0b1|c
bad_value a:1_000|c
bad_value a:1,5|c
bad_value a:1.2.3|c
bad_value a:.|c
bad_value a:+|g
bad_value a:-|g
bad_value a:+.|g
bad_value a:--1|g
bad_value a:+-1|g
bad_value a:++1|c
bad_value a:1-|c
bad_value a:e5|c
bad_value a:1e|c
bad_value a:1e+|c
bad_value a:1e5e5|c
bad_value a:1e5.5|c
bad_value a:1e400|c
bad_value a:-1e400|g
bad_value a:1e400|ms
bad_value a:\{9*400}|c
bad_value a:\{9*400}.5|h
bad_value a:1e308|c|@0.1
bad_value a:1e308|h|@0.1
bad_value a:-1e308|d|@0.1
bad_value a:٣|c
bad_value a:１|c
bad_sample_rate a:1|c|@
bad_sample_rate a:1|c|@0
bad_sample_rate a:1|c|@0.0
bad_sample_rate a:1|c|@-0
bad_sample_rate a:1|c|@-0.5
bad_sample_rate a:-1|c|@-0.5
bad_sample_rate a:1|c|@2
bad_sample_rate a:1|c|@1.1
bad_sample_rate a:1|c|@1.0000000000000003
bad_sample_rate a:1|c|@9e-10
bad_sample_rate a:1|c|@1e-400
bad_sample_rate a:1|c|@bar
bad_sample_rate a:1|c|@NaN
bad_sample_rate a:1|c|@Inf
bad_sample_rate a:1|c|@0x1
bad_sample_rate a:1|c|@ 0.5
bad_sample_rate a:1|c|@0.5\x20
bad_sample_rate a:1|c|@0,5
bad_sample_rate a:1|c|@1%
bad_sample_rate a:1|m|@0
bad_sample_rate a:1|g|@0
bad_sample_rate a:1|ms|@2
bad_sample_rate a:1|ms|@-0.5
bad_sample_rate a:1|h|@0|#k:v
bad_sample_rate a:1|d|#k:v|@x
bad_sample_rate a:1|c|@0.5|@2
negative_counter a:-1|c
negative_counter a:-0.5|c
negative_counter a:-1|m
negative_counter a:-1|c|@0.5
negative_counter a:-1e-300|c
negative_counter ok:-1|c
reserved_name statsidecar_lines_total:1|c
reserved_name statsidecar_anything:1|g
reserved_name statsidecar.anything:1|ms
reserved_name statsidecar_:1|g
reserved_name statsidecar:1|h
reserved_name statsidecar-x:1|c
reserved_name process_cpu_seconds:1|c
reserved_name process_cpu_seconds_total:1|c
reserved_name process_max_fds:1|g
reserved_name process_open_fds:1|g
reserved_name process.open.fds:1|g
reserved_name process_resident_memory_bytes:1|g
reserved_name process_start_time:1|ms
reserved_name process_threads:1|g
reserved_name process_virtual_memory_bytes:1|h
reserved_name process_virtual_memory_max_bytes:1|g
not_utf8 a\xff:1|c
not_utf8 \xc3:1|c
not_utf8 a:\xff|c
not_utf8 a:1\xff|c
not_utf8 a:1|\xff
not_utf8 a:1|c\xff
not_utf8 a:1|c|@\xff
not_utf8 a:1|c|@0.5\xff
not_utf8 a:1|c|@\xff|@0.5
not_utf8 a:1|c|#k:\xff
not_utf8 a:1|c|#\xff:v
not_utf8 a:1|c|#k:v|\xff|#l:w
not_utf8 a:1|c|c:\xff
not_utf8 a:1|c|T\xff
not_utf8 a:1|c|e:\xff
not_utf8 a:1|c|card:\xff
not_utf8 a:1|c|x\xff
not_utf8 a:1|c|\xff
not_utf8 a:1:2:\xff|c
not_utf8 a:1|c:2|\xff
not_utf8 a:1|c:\xff|g
not_utf8 \xff
not_utf8 a:1|c|#k:\xed\xa0\x80
not_utf8 a:1|c|#k:\xc0\x80
not_utf8 ok:1|c|x\xff
tag_limit a:1|c|#\{t:1,*64}t:1
tag_limit a:1|c|#\{,*64}
tag_limit a:1|c|#\{t:1|#*64}t:1
"##;
    let rows = table.lines().filter(|line| !line.is_empty()).map(|line| {
        let (reason, bytes) = line.split_once(' ').expect("a reason and a line");
        Row {
            name: line.to_owned(),
            packets: vec![unescaped(&format!("ok:1|c\n{bytes}\nok:2|c"))],
            page: vec!["ok_total 3".to_owned()],
            own: tokens(&format!("lines=3 c=2 {reason}=1")),
            ..Row::default()
        }
    });
    run("rejected", rows.collect());
}
