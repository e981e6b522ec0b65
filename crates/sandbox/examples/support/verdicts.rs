//! Asks the kernel for the verdict of a confined process on every system call, without making any: a filter of our own is
//! installed first, which answers [`ALLOWED`] to every call whose sixth argument is [`MARK`]. Of two filters that refuse,
//! the one installed last has the word, so what comes back is the refusal of the confinement, or `ALLOWED`.

use std::arch::asm;
use std::io;

use airlock_sandbox::Confinement;
use serde_json::{Value, json};

/// In the last argument of every call that is only asked about.
const MARK: u32 = 0x5ec0_de42;

/// What a call answers that the confinement lets through; no call of ours answers it otherwise.
const ALLOWED: u32 = 99;

/// `uretprobe` and `uprobe` of x86-64: the kernel asks no filter about them, and ends a process that makes them elsewhere
/// than on the page the kernel itself put there. Answered as -1.
const UNASKED: [u32; 2] = [335, 336];

/// The interfaces of an x86-64 kernel, as the tests call them.
const INTERFACES: [&str; 3] = ["x86_64", "x32", "i386"];

/// What every number below `count` answers, by interface and first argument: a list of error numbers each.
pub(crate) fn all(request: &Value, confinement: &Confinement) -> Value {
    let count = request["count"]
        .as_u64()
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or_default();
    let firsts: Vec<u32> = request["firsts"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .filter_map(|first| u32::try_from(first).ok())
        .collect();
    let Ok((reader, writer)) = rustix::pipe::pipe() else {
        return json!({ "error": "no pipe" });
    };
    // SAFETY: this process has one thread, so its child may do anything.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop(reader);
        let done = ask(confinement, count, &firsts);
        let text = match done {
            Ok(answers) => answers.to_string(),
            Err(error) => json!({ "error": error.to_string() }).to_string(),
        };
        let mut out = std::fs::File::from(writer);
        let _ = io::Write::write_all(&mut out, text.as_bytes());
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    drop(writer);
    let text = io::read_to_string(std::fs::File::from(reader)).unwrap_or_default();
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    serde_json::from_str(&text)
        .unwrap_or_else(|error| json!({ "error": format!("{error}: {text}, it ended with {status:#x}") }))
}

fn ask(confinement: &Confinement, count: u32, firsts: &[u32]) -> io::Result<Value> {
    // The descriptor of the answer must survive; the confinement closes at exec only.
    mark_filter()?;
    confinement.apply()?;
    let mut answers = serde_json::Map::new();
    for interface in INTERFACES {
        let by_first = firsts.iter().map(|first| {
            let errors = (0..count).map(|number| match interface {
                "x86_64" if UNASKED.contains(&number) => -1,
                "x86_64" => native(number, *first),
                "x32" => native(number | 0x4000_0000, *first),
                _ => compatible(number, *first),
            });
            (first.to_string(), json!(errors.collect::<Vec<_>>()))
        });
        answers.insert(interface.to_owned(), Value::Object(by_first.collect()));
    }
    Ok(Value::Object(answers))
}

/// `if the lower half of argument 5 is MARK: errno ALLOWED, else allow`
fn mark_filter() -> io::Result<()> {
    const ARGUMENT_5: u32 = 16 + 8 * 5;
    let one = |code: u16, jt: u8, jf: u8, k: u32| libc::sock_filter { code, jt, jf, k };
    let program = [
        one(0x20, 0, 0, ARGUMENT_5),
        one(0x15, 0, 1, MARK),
        one(0x06, 0, 0, libc::SECCOMP_RET_ERRNO | ALLOWED),
        one(0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies the program, which outlives the call.
    match unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The error number of a call by the `syscall` instruction.
fn native(number: u32, first: u32) -> i64 {
    let result: i64;
    // SAFETY: with the mark no call is made; the instruction clobbers what is named.
    unsafe {
        asm!(
            "syscall",
            // Or the next call of the C library, which leaves this register as it is, would carry the mark.
            "xor r9d, r9d",
            inlateout("rax") i64::from(number) => result,
            in("rdi") u64::from(first),
            in("rsi") 0_u64,
            in("rdx") 0_u64,
            in("r10") 0_u64,
            in("r8") 0_u64,
            inlateout("r9") u64::from(MARK) => _,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    -result
}

/// The error number of a call as 32-bit programs make it. Its sixth argument is in a register that the compiler keeps.
fn compatible(number: u32, first: u32) -> i64 {
    let result: i32;
    // SAFETY: with the mark no call is made; both registers that may not be named are put back.
    unsafe {
        asm!(
            "push rbx",
            "push rbp",
            "mov ebx, r12d",
            "mov ebp, r13d",
            "int 0x80",
            "pop rbp",
            "pop rbx",
            in("r12") u64::from(first),
            in("r13") u64::from(MARK),
            inlateout("eax") number.cast_signed() => result,
            in("ecx") 0,
            in("edx") 0,
            in("esi") 0,
            in("edi") 0,
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
        );
    }
    i64::from(-result)
}
