//! Compiles the seccomp rule files to constants: a job never waits for it, and a broken rule fails the build.

#[path = "src/seccomp/compile.rs"]
mod compile;

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

const PROFILES: [(&str, &[&str]); 3] = [
    ("DEFAULT", &["docker.rules", "additions.rules", "hardening.rules"]),
    (
        "NESTED",
        &[
            "docker.rules",
            "additions.rules",
            "mounts.rules",
            "hardening.rules",
        ],
    ),
    ("STRICT", &["docker.rules", "hardening.rules"]),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=seccomp");
    println!("cargo::rerun-if-changed=src/seccomp/compile.rs");
    let read = |name: &str| {
        fs::read_to_string(format!("seccomp/{name}")).map_err(|error| format!("{name}: {error}"))
    };
    let (x86_64, i386) = (read("x86_64.names")?, read("i386.names")?);
    let mut text = String::new();
    for (name, files) in PROFILES {
        let files = files
            .iter()
            .map(|file| read(file))
            .collect::<Result<Vec<_>, _>>()?;
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let [native, compatible] = compile::tables(&files, [&x86_64, &i386])?;
        let program = compile::program(&native, &compatible);
        let hash = hash(&program);
        let label = name.to_lowercase();
        writeln!(text, "/// Hash and instructions of the profile.")?;
        writeln!(
            text,
            "pub(super) static {name}: Filter = Filter {{ hash: \"{label}-{hash:016x}\", program: &["
        )?;
        for compile::Instruction { code, jt, jf, k } in program {
            let (upper, lower) = (k >> 16, k & 0xffff);
            writeln!(
                text,
                "    Instruction {{ code: {code}, jt: {jt}, jf: {jf}, k: 0x{upper:04x}_{lower:04x} }},"
            )?;
        }
        writeln!(text, "] }};")?;
    }
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("filters.rs"), text)?;
    Ok(())
}

/// FNV-1a over the instructions as the kernel reads them: tells filters apart, proves nothing.
fn hash(program: &[compile::Instruction]) -> u64 {
    let bytes = program.iter().flat_map(|instruction| {
        let [c0, c1] = instruction.code.to_le_bytes();
        let [k0, k1, k2, k3] = instruction.k.to_le_bytes();
        [c0, c1, instruction.jt, instruction.jf, k0, k1, k2, k3]
    });
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
