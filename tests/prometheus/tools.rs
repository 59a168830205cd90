//! The programs that this test needs.

use std::process::Command;

pub use crate::support::python;

/// Fails the test if a program is missing, and says what to install.
pub fn require() {
    for program in ["prometheus", "promtool"] {
        let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
        assert!(found, "`{program}` is not on the PATH: install Prometheus (Debian: apt-get install prometheus)");
    }
    let modules = "import statsd, datadog, prometheus_client";
    let output = python().args(["-c", modules]).output();
    assert!(
        output.as_ref().is_ok_and(|output| output.status.success()),
        "`{}` cannot `{modules}`: name an interpreter that can in STATSIDECAR_PYTHON \
         (pip install statsd==4.0.1 datadog==0.56.0 prometheus_client==0.26.0)\n{output:?}",
        python().get_program().display()
    );
}
