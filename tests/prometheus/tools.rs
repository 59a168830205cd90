//! The programs that this test needs, and a folder for its files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

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

/// A folder that is removed when this is dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty folder.
    pub fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", process::id()));
        fs::create_dir_all(&path).expect("the target folder takes a folder");
        Self(path)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // files that cannot be removed stay in the target folder
    }
}
