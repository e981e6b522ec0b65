//! System calls that neither std nor rustix wrap. Nothing here decides anything; each function is one call.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::wire;

/// Namespaces a sandbox is cloned into. The child makes two more itself: for its network, since that takes as long as the
/// others together and can be done while the zygote works, and for cgroups once it is in its own.
pub(crate) const NAMESPACES: u64 =
    (libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS)
        as u64;

/// Missing from libc, where the constant is of a type that cannot hold it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of a `clone3` the caller is on.
pub(crate) enum Cloned {
    /// The new process.
    Child,
    /// The caller.
    Parent { pid: i32, pidfd: OwnedFd },
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Clones the calling process into fresh namespaces and, if given, a v2 control group.
///
/// # Safety
/// The caller must be single-threaded: the child keeps running on a copy of the whole address space, where a lock
/// held by another thread would never be released.
pub(crate) unsafe fn clone_into_namespaces(cgroup: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    // SAFETY: the same contract.
    unsafe { clone_flags(NAMESPACES, libc::SIGCHLD as u64, cgroup) }
}

unsafe fn clone_flags(flags: u64, exit_signal: u64, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is a valid clone_args, which is plain integers.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags | libc::CLONE_PIDFD as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = exit_signal;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::try_from(cgroup.as_raw_fd()).expect("descriptors are not negative");
    }
    // The C library caches the thread id; fork() has the kernel refresh it, so this does as well.
    if let Ok(Some(address)) = rustix::thread::get_clear_child_tid_address() {
        args.flags |= (libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID) as u64;
        args.child_tid = address.as_ptr() as u64;
    }
    // SAFETY: args and pidfd outlive the call; no CLONE_VM, so the child has its own memory and stack.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of_val(&args)) })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: the kernel stored a fresh descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Cloned::Parent {
        pid: i32::try_from(pid).expect("process ids fit in i32"),
        pidfd,
    })
}

/// Namespaces of a service: its files and processes are its own, users and network those of its sandbox.
const SERVICE_NAMESPACES: u64 =
    (libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS) as u64;

/// Clones the calling process into the user and network namespaces of the process behind `sandbox`, all others fresh.
/// A process in between joins those two and makes the child its own sibling, as the caller could never come back.
///
/// # Safety
/// As for [`clone_into_namespaces`].
pub(crate) unsafe fn clone_beside(
    sandbox: BorrowedFd<'_>,
    cgroup: Option<BorrowedFd<'_>>,
) -> io::Result<Cloned> {
    let (here, there) = wire::packet_pair()?;
    // SAFETY: single-threaded by contract, so the copy may do anything.
    match check(unsafe { libc::fork() }.into())? {
        0 => {}
        _between => {
            drop(there);
            let (word, fds) = wire::receive(&here)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let number = <[u8; 4]>::try_from(word.as_slice()).map(i32::from_le_bytes);
            return match (number, fds.into_iter().next()) {
                (Ok(pid), Some(pidfd)) => Ok(Cloned::Parent { pid, pidfd }),
                (Ok(errno), None) => Err(io::Error::from_raw_os_error(errno)),
                (Err(_), _) => Err(io::ErrorKind::InvalidData.into()),
            };
        }
    }
    drop(here);
    let joined = libc::CLONE_NEWUSER | libc::CLONE_NEWNET;
    // SAFETY: integers only.
    let cloned = check(unsafe { libc::setns(sandbox.as_raw_fd(), joined) }.into())
        // SAFETY: this copy has one thread, too.
        .and_then(|_| unsafe { clone_flags(SERVICE_NAMESPACES | libc::CLONE_PARENT as u64, 0, cgroup) });
    let told = match cloned {
        Ok(Cloned::Child) => return Ok(Cloned::Child),
        Ok(Cloned::Parent { pid, pidfd }) => wire::send(&there, &pid.to_le_bytes(), &[pidfd.as_fd()]),
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            wire::send(&there, &errno.to_le_bytes(), &[])
        }
    };
    exit_now(i32::from(told.is_err()))
}

/// Whether the kernel knows a system call. For calls that refuse nonsense without doing anything.
pub(crate) fn knows(call: libc::c_long) -> bool {
    // SAFETY: all bits set is no valid flag, size, operation or address for any call that is asked about, and the kernel
    // checks addresses itself.
    let answer = check(unsafe { libc::syscall(call, -1_i64, -1_i64, -1_i64, -1_i64, -1_i64) });
    answer.map_or_else(|error| error.raw_os_error() != Some(libc::ENOSYS), |_| true)
}

/// Ends the process at once: no destructors, no exit handlers of a forked copy.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit never returns and touches no memory of ours.
    unsafe { libc::_exit(code) }
}

/// Attributes to set on a mount.
#[derive(Debug, Default)]
pub(crate) struct MountAttributes<'a> {
    pub(crate) set: u64,
    pub(crate) idmap: Option<BorrowedFd<'a>>,
    pub(crate) recursive: bool,
}

/// `mount_setattr(mount, "", AT_EMPTY_PATH, …)`
pub(crate) fn mount_setattr(mount: BorrowedFd<'_>, attributes: &MountAttributes<'_>) -> io::Result<()> {
    // SAFETY: all-zero is a valid mount_attr, which is plain integers.
    let mut attr: libc::mount_attr = unsafe { std::mem::zeroed() };
    attr.attr_set = attributes.set;
    if let Some(userns) = attributes.idmap {
        attr.attr_set |= libc::MOUNT_ATTR_IDMAP;
        attr.userns_fd = u64::try_from(userns.as_raw_fd()).expect("descriptors are not negative");
    }
    let mut flags = libc::AT_EMPTY_PATH;
    if attributes.recursive {
        flags |= libc::AT_RECURSIVE;
    }
    // SAFETY: attr outlives the call and its size is passed along.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw mut attr,
            size_of_val(&attr),
        )
    })?;
    Ok(())
}

/// Moves `kept` to the descriptors 3, 4, … in order and closes every other one above 2.
///
/// For a process that never drops the values owning those others: one that ends by `_exit`.
pub(crate) fn keep_only<const N: usize>(kept: [OwnedFd; N]) -> io::Result<[OwnedFd; N]> {
    const FIRST: RawFd = 3;
    // Above every number that is written to below.
    let mut high = Vec::with_capacity(N);
    for fd in &kept {
        high.push(rustix::io::fcntl_dupfd_cloexec(fd, 64)?);
    }
    for (target, fd) in (FIRST..).zip(&high) {
        duplicate_onto(fd.as_fd(), target, true)?;
    }
    std::mem::forget((kept, high));
    let mut target = FIRST;
    // SAFETY: each number was opened just above and belongs to nobody else: whoever owned it before never drops it.
    let placed = [(); N].map(|()| unsafe {
        target += 1;
        OwnedFd::from_raw_fd(target - 1)
    });
    close_range(u32::try_from(target).expect("descriptors are not negative"), 0)?;
    Ok(placed)
}

/// Marks every descriptor from `first` upwards to be closed at `exec`.
pub(crate) fn close_on_exec_from(first: u32) -> io::Result<()> {
    close_range(first, libc::CLOSE_RANGE_CLOEXEC)
}

fn close_range(first: u32, flags: u32) -> io::Result<()> {
    // SAFETY: integers only. Closing descriptors that Rust values own is sound here because the callers are
    // processes that never drop those values: they end by _exit or exec.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) })?;
    Ok(())
}

/// Makes `target` refer to what `source` refers to, without close-on-exec unless asked for.
pub(crate) fn duplicate_onto(source: BorrowedFd<'_>, target: RawFd, close_on_exec: bool) -> io::Result<()> {
    let flags = if close_on_exec { libc::O_CLOEXEC } else { 0 };
    // SAFETY: integers only.
    check(unsafe { libc::dup3(source.as_raw_fd(), target, flags) }.into())?;
    Ok(())
}

/// Makes the descriptor `target` refer to what `source` does and stay open across `exec`; safe between fork and exec.
pub(crate) fn duplicate_raw(source: RawFd, target: RawFd) -> io::Result<()> {
    // SAFETY: integers only; the caller owns both numbers.
    check(unsafe { libc::dup3(source, target, 0) }.into())?;
    Ok(())
}

/// Joins a new, empty session keyring, so that keys of whoever started the agent are out of reach.
pub(crate) fn fresh_session_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0) })?;
    Ok(())
}

/// One instruction of a seccomp filter.
pub(crate) type Instruction = libc::sock_filter;

/// Installs a seccomp filter on the calling thread.
pub(crate) fn install_filter(program: &[Instruction]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies the program, which outlives the call, and never writes to it.
    check(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    })?;
    Ok(())
}

/// Gives every signal its default disposition and unblocks all of them.
pub(crate) fn reset_signals() -> io::Result<()> {
    for signal in 1..=64 {
        if signal == libc::SIGKILL || signal == libc::SIGSTOP {
            continue;
        }
        // SAFETY: SIG_DFL installs no code; the two numbers the C library keeps for itself are refused, harmlessly.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: all-zero is a valid signal set, then made empty by the C library.
    let mut none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is a local that outlives the call.
    unsafe { libc::sigemptyset(&raw mut none) };
    // SAFETY: the same set, initialised; the old mask is not asked for.
    let result = unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
    check(result.into())?;
    Ok(())
}

/// Waits a moment for something that the kernel announces in no other way: a lock let go of, a group emptied.
#[expect(clippy::disallowed_methods, reason = "there is no event to wait for")]
pub(crate) fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(crate::limits::RETRY_MILLIS));
}

/// Lets the kernel reap children at once, so that no zombie keeps a cgroup busy.
pub(crate) fn ignore_children() {
    // SAFETY: SIG_IGN installs no code.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// `struct loop_info64` of the kernel.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config` of the kernel.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// The number of a loop device that nothing is attached to, made if there is none.
pub(crate) fn free_loop_device(control: BorrowedFd<'_>) -> io::Result<libc::c_long> {
    const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
    // SAFETY: the request takes no argument.
    let number = check(unsafe { libc::syscall(libc::SYS_ioctl, control.as_raw_fd(), LOOP_CTL_GET_FREE) })?;
    Ok(number)
}

/// Attaches a file to a loop device that clears itself when its last user is gone. Reads and writes pass the page
/// cache by where the file can, or every page would be there twice.
pub(crate) fn configure_loop_device(device: BorrowedFd<'_>, file: BorrowedFd<'_>) -> io::Result<()> {
    const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
    const AUTOCLEAR: u32 = 4;
    const DIRECT_IO: u32 = 16;
    // SAFETY: all-zero is a valid loop_config, which is plain integers.
    let mut config: LoopConfig = unsafe { std::mem::zeroed() };
    config.fd = u32::try_from(file.as_raw_fd()).expect("descriptors are not negative");
    config.info.flags = AUTOCLEAR | DIRECT_IO;
    // SAFETY: the structure has the kernel's layout and outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_ioctl,
            device.as_raw_fd(),
            LOOP_CONFIGURE,
            &raw const config,
        )
    })?;
    Ok(())
}

/// Detaches a loop device from its file.
pub(crate) fn clear_loop_device(device: BorrowedFd<'_>) -> io::Result<()> {
    const LOOP_CLR_FD: libc::c_ulong = 0x4C01;
    // SAFETY: the request takes no argument.
    check(unsafe { libc::syscall(libc::SYS_ioctl, device.as_raw_fd(), LOOP_CLR_FD) })?;
    Ok(())
}

/// Makes a file system refuse everything from here on and forget what it has not written yet.
pub(crate) fn shut_file_system_down(directory: BorrowedFd<'_>) -> io::Result<()> {
    const FS_IOC_SHUTDOWN: libc::c_ulong = 0x8004_587D;
    let without_writing: u32 = 2;
    // SAFETY: the argument is a number that outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_ioctl,
            directory.as_raw_fd(),
            FS_IOC_SHUTDOWN,
            &raw const without_writing,
        )
    })?;
    Ok(())
}
