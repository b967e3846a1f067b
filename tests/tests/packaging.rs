//! The container file fits the workspace. It is built where there is a container runtime, not here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use kms_tests::skip;

#[test]
fn the_container_file_copies_every_member_and_builds_with_the_compiler_that_is_required() {
    let root = skip::workspace_root();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let workspace = &manifest["workspace"];
    let version = workspace["package"]["rust-version"].as_str().unwrap();
    let instructions = instructions(root);
    let build = format!("FROM docker.io/library/rust:{version}-");
    assert!(instructions[0].starts_with(&build), "{}", instructions[0]);
    for member in workspace["members"].as_array().unwrap() {
        let copy = format!("COPY {0} {0}", member.as_str().unwrap());
        assert!(instructions.contains(&copy), "`{copy}` is missing");
    }
    let sources = instructions.iter().filter_map(|line| line.strip_prefix("COPY "));
    for source in sources.filter(|copy| !copy.starts_with("--from")) {
        let (from, _) = source.rsplit_once(' ').unwrap();
        from.split(' ').for_each(|path| assert!(root.join(path).exists(), "{path}"));
    }
}

#[test]
fn both_images_end_as_an_unprivileged_user_and_the_host_shows_its_port() {
    let instructions = instructions(skip::workspace_root());
    let images: Vec<&[String]> =
        instructions.split(|line| line.starts_with("FROM ")).skip(2).collect();
    assert_eq!(images.len(), 2);
    for image in &images {
        assert!(image.contains(&"USER 65532:65532".to_owned()), "{image:?}");
        assert!(!image.iter().any(|line| line.starts_with("RUN ")), "there is no shell: {image:?}");
    }
    assert!(images[1].contains(&"EXPOSE 1688/tcp".to_owned()));
}

/// The instructions, without comments; none of them goes over several lines.
fn instructions(root: &Path) -> Vec<String> {
    let text = fs::read_to_string(root.join("packaging/Containerfile")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    let known = [
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "USER",
        "ENTRYPOINT",
        "CMD",
        "VOLUME",
        "EXPOSE",
        "STOPSIGNAL",
    ];
    for line in &lines {
        assert!(known.contains(&line.split(' ').next().unwrap()), "{line}");
        assert!(!line.ends_with('\\'), "{line}");
        if let Some(list) = line.strip_prefix("CMD ").or(line.strip_prefix("ENTRYPOINT ")) {
            serde_json::from_str::<Vec<String>>(list).unwrap_or_else(|_| panic!("{line}"));
        }
    }
    lines
}
