/* SPDX-License-Identifier: MIT */
/*
 * dns_world.h: a machine of a test's own, with a name server
 *
 * The test's process moves into a network of its own (nothing but a loopback, so that port 53 is
 * free and nothing outside is asked) and sees files of its own in the place of /etc/resolv.conf,
 * /etc/hosts and /etc/nsswitch.conf. In there dnsmasq answers, and forwards what it does not know
 * of itself to servers that are slow, or silent:
 *
 *     libc ──▶ 127.0.0.1:53 dnsmasq ──┬── hosts, aliases of its own
 *                                     ├── *.slow.test ──▶ 127.0.0.1:5301, answers when it is told
 *                                     └── *.dead.test ──▶ 127.0.0.1:5302, never answers
 *
 * Where namespaces are refused the test is skipped; but as root under CI=true that is a failure.
 */
#ifndef DNS_WORLD_H
#define DNS_WORLD_H

#define _GNU_SOURCE 1

#include "names_test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define SLOW_PORT 5301
#define DEAD_PORT 5302
/** How long libc waits for an answer, in tests in which it is to give up, and in others. */
#define IMPATIENT 1
#define PATIENT 60

/** The children, and the folder of the files. */
struct dns_world {
    /** dnsmasq. */
    pid_t dnsmasq;
    /** The slow server and the silent one. */
    pid_t upstream;
    /** Where the files are. */
    char folder[64];
};

static struct dns_world dns;

/* --- Namespaces ------------------------------------------------------------------------------- */

MAYBE_UNUSED static void refused(const char *what)
{
    const char *ci = getenv("CI");
    if (ci && strcmp(ci, "true") == 0 && geteuid() == 0)
        FAIL("%s: %s, for root and in CI", what, strerror(errno));
    SKIP("%s: %s", what, strerror(errno));
}

MAYBE_UNUSED static void bring_loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_EQ(ioctl(fd, SIOCGIFFLAGS, &request), 0);
    request.ifr_flags |= IFF_UP;
    CHECK_EQ(ioctl(fd, SIOCSIFFLAGS, &request), 0);
    close(fd);
}

/** Writes the test's own file for `path`; one that stands in its place changes with it. */
MAYBE_UNUSED static const char *write_own(const char *path, const char *text)
{
    static char own[128];
    snprintf(own, sizeof own, "%s%s", dns.folder, strrchr(path, '/'));
    FILE *file = fopen(own, "w");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
    return own;
}

/** Puts it into the place of `path`, if there is one. */
MAYBE_UNUSED static void replace_file(const char *path, const char *text)
{
    const char *own = write_own(path, text);
    if (access(path, F_OK) == 0 && mount(own, path, "none", MS_BIND, NULL) < 0)
        refused("mount");
}

/** Writes a file of /proc. */
MAYBE_UNUSED static void tell_kernel(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        refused(path);
    close(fd);
}

/** Whoever is not root becomes nobody else, but may arrange a world of his own, and let a server
 *  without privileges have port 53 there. */
MAYBE_UNUSED static void leave_as_user(void)
{
    char map[60];
    unsigned user = geteuid(), group = getegid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) < 0)
        refused("unshare");
    tell_kernel("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1", user, user);
    tell_kernel("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "%u %u 1", group, group);
    tell_kernel("/proc/self/gid_map", map);
    tell_kernel("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
}

/** Lets nobody outside see what is mounted from here on. */
static int keep_mounts_private(void)
{
    return mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL);
}

/** The same where the root folder is no mount point (after chroot(8)): the mount that it lies in
 *  must be told, which is above. With a folder for a root that we are not in, ".." leads there;
 *  what was opened before leads back. */
static int keep_mounts_private_above(void)
{
    char folder[] = "/tmp/weft-names-XXXXXX";
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(root >= 0 && here >= 0 && mkdtemp(folder));
    CHECK_EQ(chdir("/"), 0);
    if (chroot(folder) < 0)
        refused("chroot");
    for (int i = 0; i < 100; i++)
        CHECK_EQ(chdir(".."), 0);
    CHECK_EQ(chroot("."), 0);
    int rc = keep_mounts_private(), error = errno;
    CHECK(fchdir(root) == 0 && chroot(".") == 0 && fchdir(here) == 0);
    CHECK(rmdir(folder) == 0 && close(root) == 0 && close(here) == 0);
    errno = error;
    return rc;
}

MAYBE_UNUSED static void leave_the_world(void)
{
    if (geteuid() != 0)
        leave_as_user();
    else if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0)
        refused("unshare");
    if (keep_mounts_private() < 0 && (errno != EINVAL || keep_mounts_private_above() < 0))
        refused("mount");
    bring_loopback_up();
}

/* --- Servers ---------------------------------------------------------------------------------- */

static int bind_udp(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(fd >= 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/** Turns a question of type A into an answer, 192.0.2.7, and one of another type into none. */
static size_t answer(unsigned char *message, size_t len)
{
    static const unsigned char record[] = {0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7};
    size_t end = 12;
    while (end < len && message[end])
        end += message[end] + 1u;
    bool wants_a = message[end + 2] == 1;
    end += 5;
    message[2] |= 0x80;
    message[3] = 0x80;
    memset(message + 6, 0, 6);
    if (!wants_a)
        return end;
    message[7] = 1;
    memcpy(message + end, record, sizeof record);
    return end + sizeof record;
}

/** Lets the slow server answer, what it was asked and what it will be asked. */
MAYBE_UNUSED static void let_slow_answer(void)
{
    char path[100];
    snprintf(path, sizeof path, "%s/go", dns.folder);
    FILE *file = fopen(path, "w");
    CHECK(file && fclose(file) == 0);
}

/** Waits for that, and answers one question. */
static void answer_later(int slow, unsigned char *message, size_t len,
                         const struct sockaddr_storage *to, socklen_t to_len)
{
    struct timespec tick = {0, 5 * 1000000};
    char path[100];
    snprintf(path, sizeof path, "%s/go", dns.folder);
    while (access(path, F_OK) < 0)
        nanosleep(&tick, NULL);
    len = answer(message, len);
    (void)!sendto(slow, message, len, 0, (const struct sockaddr *)to, to_len);
    _exit(0);
}

/** A name server; each question has a process of its own. The silent one is a socket beside it. */
MAYBE_UNUSED static void serve_slowly(int slow)
{
    unsigned char message[1500];
    struct sockaddr_storage from;
    for (;;) {
        socklen_t from_len = sizeof from;
        ssize_t n = recvfrom(slow, message, 512, 0, (struct sockaddr *)&from, &from_len);
        if (n < 17 || fork() != 0)
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        answer_later(slow, message, (size_t)n, &from, from_len);
    }
}

MAYBE_UNUSED static void start_upstream(void)
{
    int slow = bind_udp(SLOW_PORT), dead = bind_udp(DEAD_PORT);
    dns.upstream = fork();
    CHECK(dns.upstream >= 0);
    if (dns.upstream == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGCHLD, SIG_IGN);
        serve_slowly(slow);
    }
    close(slow);
    close(dead);
}

MAYBE_UNUSED static void exec_dnsmasq(void)
{
    char hosts[100];
    snprintf(hosts, sizeof hosts, "--addn-hosts=%s/names", dns.folder);
    execlp("dnsmasq", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
           "--pid-file=", "--no-resolv", "--no-hosts", "--port=53", "--listen-address=127.0.0.1",
           "--bind-interfaces", "--no-poll", "--local-service", "--cname=alias.test,both.test",
           "--server=/slow.test/127.0.0.1#5301", "--server=/dead.test/127.0.0.1#5302",
           "--server=/10.in-addr.arpa/127.0.0.1#5302", "--local=/test/",
           "--local=/192.in-addr.arpa/", hosts, geteuid() == 0 ? "--user=root" : NULL,
           "--group=root", (char *)NULL);
    _exit(127);
}

/** Waits until dnsmasq takes TCP connections, which it does last. */
MAYBE_UNUSED static void wait_for_dnsmasq(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(53)};
    struct timespec tick = {0, 10 * 1000000};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int tries = 0; tries < 1500; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0), status;
        int rc = connect(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (rc == 0)
            return;
        CHECK_EQ(waitpid(dns.dnsmasq, &status, WNOHANG), 0);
        nanosleep(&tick, NULL);
    }
    FAIL("dnsmasq does not listen");
}

MAYBE_UNUSED static void start_dnsmasq(void)
{
    dns.dnsmasq = fork();
    CHECK(dns.dnsmasq >= 0);
    if (dns.dnsmasq == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        exec_dnsmasq();
    }
    wait_for_dnsmasq();
}

/* --- All together ----------------------------------------------------------------------------- */

/** Many addresses for one name: more than a datagram of 512 bytes holds. */
MAYBE_UNUSED static void write_names(void)
{
    char path[100];
    snprintf(path, sizeof path, "%s/names", dns.folder);
    FILE *file = fopen(path, "w");
    CHECK(file);
    fputs("127.0.0.1 both.test\n::1 both.test\n"
          "192.0.2.1 four.test\n2001:db8::6 six.test\n"
          "192.0.2.2 printer.corp.test\n192.0.2.3 hosts.test\n"
          "2001:db8::7 mixed.test\n127.0.0.1 mixed.test\n",
          file);
    for (int i = 1; i <= 60; i++)
        fprintf(file, "10.9.8.%d many.test\n", i);
    CHECK_EQ(fclose(file), 0);
}

/** Moves in; libc waits `seconds` for an answer, once. */
MAYBE_UNUSED static void dns_open(int seconds)
{
    char text[200];
    test_need_program("dnsmasq");
    leave_the_world();
    snprintf(dns.folder, sizeof dns.folder, "/tmp/weft-names-XXXXXX");
    CHECK(mkdtemp(dns.folder));
    write_names();
    snprintf(text, sizeof text,
             "nameserver 127.0.0.1\nsearch corp.test\noptions timeout:%d attempts:1\n", seconds);
    replace_file("/etc/resolv.conf", text);
    replace_file("/etc/hosts", "127.0.0.1 localhost\n10.1.1.1 hosts.test\n");
    replace_file("/etc/nsswitch.conf", "hosts: files dns\nservices: files\n");
    start_upstream();
    start_dnsmasq();
}

/** Ends the servers; the namespaces go with the process. */
MAYBE_UNUSED static void dns_close(void)
{
    static const char *const files[] = {"names", "resolv.conf", "hosts", "nsswitch.conf", "go"};
    char path[128];
    CHECK_EQ(kill(dns.dnsmasq, SIGKILL), 0);
    CHECK_EQ(waitpid(dns.dnsmasq, NULL, 0), dns.dnsmasq);
    CHECK_EQ(kill(dns.upstream, SIGKILL), 0);
    CHECK_EQ(waitpid(dns.upstream, NULL, 0), dns.upstream);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", dns.folder, files[i]);
        CHECK_EQ(unlink(path), 0);
    }
    CHECK_EQ(rmdir(dns.folder), 0);
}

#endif
