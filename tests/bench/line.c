/* line FOLDER COMMAND...: runs the command in a network of its own (and of nobody else), where
 * LINE_SERVER (10.9.0.2, and the name "localhost") is this machine's own loopback at the other end
 * of a line: each packet takes a time that can be set. A real kernel's TCP runs at both ends, so
 * that handshakes, Nagle's waits and the slow start cost what they cost.
 *
 * FOLDER gets a file "hosts". The command has a socket LINE_FD in its environment, for lines with
 * an answer of a line each:
 *
 *   delay MICROSECONDS   of each direction from now on (at first 0); "ok"
 *   count                what passed since the last time, as JSON: "connections"; "round_trips";
 *                        "sent" and "received": bytes of TCP payload, seen by the clients
 *
 * A round trip: a client sent something, and did not close before the server's kernel acknowledged
 * it. What it sends in between costs no round trip of its own; what its kernel holds back until
 * then (Nagle's algorithm, a slow start) costs another one. TCP's handshake is one, and a greeting
 * that nobody had to ask for is one: it sets out when the handshake's last packet has arrived.
 *
 * Root, or a kernel that lets everybody have namespaces, and /dev/net/tun are needed: without them
 * it exits with 3 and a word. Else with the command's code. */

#include "packet.h"
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEVICE "line"
#define CLIENT 0x0a090001U /* 10.9.0.1 */
#define SERVER 0x0a090002U /* 10.9.0.2 */
#define LOOPBACK 0x7f000001U

#define EXIT_IMPOSSIBLE 3
#define PACKET_MAX 2048
#define WAITING_MAX 16384

/* ---- the namespaces ---- */

_Noreturn static void impossible(const char *what)
{
    fprintf(stderr, "line: %s: %s\n", what, strerror(errno));
    exit(EXIT_IMPOSSIBLE);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) != 0)
        impossible(path);
}

/* Everything is as before but for the network and /etc/hosts; we stay who we are. */
static void enter_namespaces(const char *folder)
{
    char map[64], hosts[4096];
    unsigned uid = geteuid(), gid = getegid();
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) != 0)
            impossible("no namespaces of our own");
        write_file("/proc/self/setgroups", "deny");
        (void)snprintf(map, sizeof map, "%u %u 1", uid, uid);
        write_file("/proc/self/uid_map", map);
        (void)snprintf(map, sizeof map, "%u %u 1", gid, gid);
        write_file("/proc/self/gid_map", map);
    }
    (void)snprintf(hosts, sizeof hosts, "%s/hosts", folder);
    write_file(hosts, "10.9.0.2 localhost\n");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount(hosts, "/etc/hosts", NULL, MS_BIND, NULL) != 0)
        impossible("/etc/hosts");
}

static void bring_up(int control, const char *device)
{
    struct ifreq request = {0};
    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    request.ifr_flags = IFF_UP;
    if (ioctl(control, SIOCSIFFLAGS, &request) != 0)
        impossible(device);
}

static void set_address(int control, unsigned long what, uint32_t address)
{
    struct ifreq request = {.ifr_name = DEVICE};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    memcpy(&request.ifr_addr, &in, sizeof in);
    if (ioctl(control, what, &request) != 0)
        impossible("address of " DEVICE);
}

static int open_line(void)
{
    struct ifreq request = {.ifr_name = DEVICE, .ifr_flags = IFF_TUN | IFF_NO_PI};
    int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (tun < 0 || control < 0 || ioctl(tun, TUNSETIFF, &request) != 0)
        impossible("/dev/net/tun");
    set_address(control, SIOCSIFADDR, CLIENT);
    set_address(control, SIOCSIFDSTADDR, SERVER);
    bring_up(control, "lo");
    bring_up(control, DEVICE);
    /* What listens on the loopback alone is at the line's other end. */
    write_file("/proc/sys/net/ipv4/conf/" DEVICE "/route_localnet", "1");
    (void)close(control);
    return tun;
}

/* ---- packets on their way ---- */

typedef struct {
    double due_us;
    size_t len;
    bool to_client;
    Packet packet;
    uint8_t bytes[PACKET_MAX];
} Waiting;

/* A client's connection, by its port. */
typedef struct {
    bool is_new; /* only its SYN was sent */
    bool waits;
    uint32_t awaited_ack;
    bool has_closed;
} Talk;

static struct {
    Waiting waiting[WAITING_MAX]; /* a ring: all packets take the same time */
    size_t first, n;
    Talk talks[65536];
    double delay_us;
    unsigned long connections, round_trips;
    unsigned long long sent, received;
} line;

static void count_sent(const Packet *packet)
{
    Talk *talk = &line.talks[packet->from_port];
    if (packet->is_syn) {
        *talk = (Talk){.is_new = true, .waits = true, .awaited_ack = packet->seq + 1};
        line.connections++;
    } else if (!talk->waits && (packet->payload_len > 0 || talk->is_new)) {
        talk->waits = true;
        talk->awaited_ack = packet->seq + (packet->payload_len > 0);
        talk->is_new = false;
    }
    if (packet->is_fin || packet->is_rst)
        talk->has_closed = true;
    line.sent += packet->payload_len;
}

static void count_heard(const Packet *packet)
{
    Talk *talk = &line.talks[packet->to_port];
    if (talk->waits && !talk->has_closed && (int32_t)(packet->ack - talk->awaited_ack) >= 0) {
        talk->waits = false;
        line.round_trips++;
    }
    line.received += packet->payload_len;
}

/* FALSE: none is there, or there is no room. */
static bool take_packet(int tun)
{
    if (line.n == WAITING_MAX)
        return false;
    Waiting *next = &line.waiting[(line.first + line.n) % WAITING_MAX];
    ssize_t len = read(tun, next->bytes, sizeof next->bytes);
    if (len <= 0)
        return false;
    next->len = (size_t)len;
    next->due_us = peer_now_us() + line.delay_us;
    if (!packet_parse(next->bytes, next->len, &next->packet))
        return true;
    next->to_client = next->packet.from == LOOPBACK && next->packet.to == SERVER;
    if (next->to_client) {
        packet_readdress(next->bytes, next->len, SERVER, CLIENT);
    } else if (next->packet.from == CLIENT && next->packet.to == SERVER) {
        packet_readdress(next->bytes, next->len, SERVER, LOOPBACK);
        count_sent(&next->packet);
    } else {
        return true;
    }
    line.n++;
    return true;
}

static void give_packets(int tun)
{
    for (; line.n > 0 && line.waiting[line.first].due_us <= peer_now_us(); line.n--) {
        const Waiting *next = &line.waiting[line.first];
        line.first = (line.first + 1) % WAITING_MAX;
        if (next->to_client)
            count_heard(&next->packet);
        if (write(tun, next->bytes, next->len) < 0 && errno != EAGAIN) /* a lost packet */
            peer_die("write to " DEVICE);
    }
}

/* FALSE: nobody asks any more. */
static bool answer(int control)
{
    char request[64], reply[256];
    ssize_t len = read(control, request, sizeof request - 1);
    if (len <= 0)
        return false;
    request[len] = '\0';
    if (sscanf(request, "delay %lf", &line.delay_us) == 1) {
        (void)snprintf(reply, sizeof reply, "ok\n");
    } else {
        (void)snprintf(
            reply, sizeof reply,
            "{\"connections\":%lu,\"round_trips\":%lu,\"sent\":%llu,\"received\":%llu}\n",
            line.connections, line.round_trips, line.sent, line.received);
        line.connections = line.round_trips = 0;
        line.sent = line.received = 0;
    }
    return write(control, reply, strlen(reply)) > 0;
}

static void carry(int tun, int control)
{
    struct pollfd polled[2] = {{tun, POLLIN, 0}, {control, POLLIN, 0}};
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* the line would be a little longer */
    do {
        while (take_packet(tun))
            ;
        give_packets(tun);
        double left = line.n > 0 ? line.waiting[line.first].due_us - peer_now_us() : 1e9;
        long ns = left > 0 ? (long)(left * 1000) : 0;
        struct timespec wait = {ns / 1000000000, ns % 1000000000};
        polled[0].events = line.n < WAITING_MAX ? POLLIN : 0;
        (void)ppoll(polled, 2, &wait, NULL); /* whatever woke us is looked for */
    } while (!polled[1].revents || answer(control));
}

int main(int argc, char **argv)
{
    int ends[2];
    char fd[16];
    if (argc < 3) {
        fprintf(stderr, "usage: line FOLDER COMMAND...\n");
        return 2;
    }
    enter_namespaces(argv[1]);
    int tun = open_line();
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        peer_die("socketpair");
    pid_t child = fork();
    if (child < 0)
        peer_die("fork");
    if (child == 0) { /* ends when the last that can ask has gone */
        (void)close(ends[1]);
        carry(tun, ends[0]);
        return 0;
    }
    (void)close(ends[0]);
    (void)snprintf(fd, sizeof fd, "%d", ends[1]);
    if (setenv("LINE_FD", fd, 1) != 0)
        peer_die("setenv");
    execvp(argv[2], argv + 2);
    peer_die(argv[2]);
}
