//! Console blocks: commands with what they print.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::files_of;
use crate::markdown::{Block, pages};

/// Commands that end by themselves and print the same each time.
const REPEATABLE: [&str; 4] =
    ["statsidecar explain ", "statsidecar check ", "statsidecar convert ", "statsidecar generate "];

#[test]
fn transcripts_are_what_the_program_prints() {
    let is_writing = std::env::var_os("GUIDES_WRITE").is_some();
    let (mut explained, mut wrong) = (0, Vec::new());
    for page in pages() {
        let folder = files_of(&page);
        let mut text = page.text.clone();
        for block in page.blocks().filter(|block| block.info == "console") {
            let mut today = String::new();
            for (command, shown) in commands(&block) {
                let is_fed = command.starts_with("$ printf ") && command.contains(" | statsidecar check ");
                let is_repeatable = is_fed || REPEATABLE.iter().any(|start| command.starts_with(&format!("$ {start}")));
                let printed = if is_repeatable { run(&command, folder.path()) } else { shown };
                explained += usize::from(command.starts_with("$ statsidecar explain "));
                today += &command;
                today += &printed;
            }
            if today != block.body {
                wrong.push(format!("{block} shows\n{}but the program prints\n{today}", block.body));
                text = text.replacen(block.body, &today, 1);
            }
        }
        if is_writing {
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(&page.path), text).unwrap();
        }
    }
    assert!(explained >= 4, "only {explained} transcripts of explain were found");
    assert!(is_writing || wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The commands of a block, each with its lines as they stand there, and what is shown to be printed.
fn commands(block: &Block<'_>) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut is_continued = false;
    for line in block.body.split_inclusive('\n') {
        if is_continued {
            commands.last_mut().unwrap().0.push_str(line);
        } else if line.starts_with("$ ") {
            commands.push((line.to_owned(), String::new()));
        } else {
            commands.last_mut().unwrap_or_else(|| panic!("{block} begins without a command")).1.push_str(line);
            continue;
        }
        is_continued = line.ends_with("\\\n");
    }
    commands
}

/// What a shell prints that runs the command in this folder, the standard error included.
fn run(command: &str, folder: &Path) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_statsidecar")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let script = format!("exec 2>&1\n{}", command.strip_prefix("$ ").unwrap());
    let output = Command::new("sh").args(["-c", &script]).env("PATH", path).current_dir(folder).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
