//! Every command of the README runs as it stands there.

use crate::shop::{Shop, repository};

/// Returns the commands of a page that call layerstore, without what cargo needs to build it.
fn commands(page: &str) -> Vec<String> {
    let mut is_shell = false;
    let mut commands = Vec::new();
    for line in page.lines() {
        if let Some(fence) = line.strip_prefix("```") {
            is_shell = fence == "sh";
        } else if is_shell {
            let line = line.split(" #").next().unwrap_or_default().trim();
            let called = line
                .strip_prefix("cargo run --release --bin layerstore -- ")
                .or_else(|| line.strip_prefix("layerstore "));
            commands.extend(called.map(str::to_owned));
        }
    }
    commands
}

fn run_page(page: &str, at_least: usize) {
    run_page_in(&Shop::new(), page, at_least);
}

fn run_page_in(shop: &Shop, page: &str, at_least: usize) {
    std::fs::create_dir(shop.path("data")).unwrap();
    for file in ["cities.jsonl", "countries.csv"] {
        std::fs::copy(repository("data").join(file), shop.path("data").join(file)).unwrap();
    }
    let text = std::fs::read_to_string(repository(page)).unwrap();
    let commands = commands(&text);
    assert!(commands.len() >= at_least, "{page}: {commands:?}");
    for command in commands {
        // Quotes and pipes are the shell's, so that what is tested is what is typed.
        let line = format!("set -e; {} {command}", env!("CARGO_BIN_EXE_layerstore"));
        let ran = std::process::Command::new("sh")
            .args(["-c", &line])
            .current_dir(shop.path(""))
            .output()
            .unwrap();
        assert!(ran.status.success(), "{page}: {command}: {ran:?}");
    }
}

#[test]
fn every_command_of_the_readme_runs() {
    run_page("README.md", 4);
}

#[test]
fn every_command_of_the_commands_own_page_runs() {
    run_page("crates/layerstore-cli/README.md", 8);
}

#[cfg(feature = "write-behind")]
#[test]
fn every_command_of_the_page_on_write_behind_runs_with_its_first_configuration() {
    let page = "docs/write-behind.md";
    let text = std::fs::read_to_string(repository(page)).unwrap();
    let configuration = text.split("```toml\n").nth(1).unwrap();
    let shop = Shop::new();
    shop.write("layerstore.toml", configuration.split("```").next().unwrap());
    run_page_in(&shop, page, 5);
}
