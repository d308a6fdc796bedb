/* SPDX-License-Identifier: Apache-2.0 */
/* confine.c - the gate gives away what it does not need
 *
 * After its start the gate opens no file, starts no program and makes no
 * socket but the one to the controller; the filter says so to the kernel.
 */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* What LeakSanitizer does at the end no filter should allow. */
#if defined(HAVE_SECCOMP) && !defined(FALLOW_SANITIZED)
#define WITH_FILTER
#include <seccomp.h>
#endif

#include "sched/gate/gate.h"

#define OTHER_FILES 64 /* descriptors that are no client's */

int confine_files(int64_t *max_connections, struct error *err)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        return error_set(err, errno, "could not read the limit of files");
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur <= OTHER_FILES)
        return error_set(err, EMFILE, "too few files may be open: %ju",
                         (uintmax_t)r.rlim_cur);
    if (r.rlim_cur - OTHER_FILES < (uint64_t)*max_connections) {
        *max_connections = (int64_t)r.rlim_cur - OTHER_FILES;
        fprintf(stderr,
                "fallow-gate: at most %jd connections: only %ju files may be "
                "open (ulimit -n)\n",
                (intmax_t)*max_connections, (uintmax_t)r.rlim_cur);
    }
    return 0;
}

int confine_user(const char *name, struct error *err)
{
    struct passwd *pw = getpwnam(name);

    if (!pw)
        return error_set(err, ENOENT, "user \"%s\" does not exist", name);
    if (setgroups(0, NULL) < 0 || setgid(pw->pw_gid) < 0 ||
        setuid(pw->pw_uid) < 0)
        return error_set(err, errno, "could not become user \"%s\": %s", name,
                         strerror(errno));
    return 0;
}

#ifdef WITH_FILTER
static const int allowed[] = {
    /* sockets, descriptors */
    SCMP_SYS(accept4),
    SCMP_SYS(close),
    SCMP_SYS(connect),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(fcntl),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(getsockopt),
    SCMP_SYS(lseek),
    SCMP_SYS(pread64),
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    /* memory */
    SCMP_SYS(brk),
    SCMP_SYS(sched_getaffinity), /* malloc counts processors */
    SCMP_SYS(sysinfo),
    SCMP_SYS(madvise),
    SCMP_SYS(mmap),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    /* time, chance, the end */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(futex),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getrandom),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sched_yield),
    SCMP_SYS(tgkill),
};

int confine_calls(struct error *err)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int rc = f ? 0 : -ENOMEM;

    for (size_t i = 0; rc == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
    if (rc == 0)
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                              SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
    if (rc == 0) /* OpenSSL looks for configuration late: it finds none */
        rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 0);
    if (rc == 0)
        rc = seccomp_load(f);
    if (f)
        seccomp_release(f);
    return rc == 0 ? 0
                   : error_set(err, -rc, "could not filter system calls: %s",
                               strerror(-rc));
}
#else
int confine_calls(struct error *err)
{
    (void)err;
    fprintf(stderr, "fallow-gate: built without a system-call filter\n");
    return 0;
}
#endif
