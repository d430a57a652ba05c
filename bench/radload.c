/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * radload: asks a RADIUS server precomputed questions, fast, and believes only signed answers.
 *
 * The requests come from a file that bench/packets.py made, so any method is data and every
 * server gets the same octets.  Nothing is signed at run time: request n keeps the identifier
 * it was made with (n mod 256) and moves to another socket each time round, so that no server
 * takes it for a duplicate.  A reply counts when its Response Authenticator (RFC 2865 §3) and
 * its Message-Authenticator (RFC 3579 §3.2), if it has one, are right under the secret.
 *
 * Closed loop: `--window` requests outstanding.  Open loop: `--rate` a second, latency counted
 * from the moment a request was due, not from when it left (no coordinated omission).
 * Flood: `--flood` sends from many source addresses and counts what comes back, which should
 * be nothing.
 *
 * It refuses every address outside 127.0.0.0/8, and is bounded in requests and in time.
 * Prints one line of JSON; times in it are microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "md5.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "md5.h reads words as they lie");

enum {
    SOCKETS_MAX = 1024,
    IDENTIFIERS = 256,
    CHUNK = 4, /* consecutive requests on one socket: few, so that all workers have some */
    BATCH = 64,
    REPLY_MAX = 4096,
    SECONDS_MAX = 600,
    SCAN_NS = 20 * 1000 * 1000,
    BUCKETS = 64 * 64,
};

struct request {
    const uint8_t *octets;
    uint16_t length;
    uint8_t expected_code;
};

/* A (socket, identifier) pair: what RFC 2865 §3 allows to be outstanding once. */
struct slot {
    uint64_t due_ns;
    uint64_t sent_ns;
    uint32_t request;
    uint8_t tries;
    bool busy;
};

static struct options {
    const char *file;
    struct sockaddr_in target;
    uint32_t source; /* host order */
    uint32_t sources;
    uint32_t sockets;
    uint32_t window;
    double rate;
    uint64_t count;
    double seconds;
    uint32_t retries;
    double timeout_s;
    uint32_t verify_one_in;
    bool want_message_authenticator;
    bool flood;
} options = {.source = 0x7f000001, .sources = 1, .sockets = 64, .timeout_s = 1.0, .verify_one_in = 1};

static struct {
    uint64_t sent, answered, lost, retransmitted, late, malformed, no_slot, refused;
    uint64_t wrong_authenticator, wrong_message_authenticator, without_message_authenticator;
    uint64_t wrong_code, reply_octets, codes[256];
    uint64_t histogram[BUCKETS], max_ns;
    uint64_t start_ns, last_answer_ns;
    bool exhausted;
} result;

static struct request *requests;
static uint32_t requests_count;
static uint8_t secret[128];
static size_t secret_length;
static struct hmac_md5_key secret_key;

static int sockets[SOCKETS_MAX];
static struct slot *slots;
static uint64_t outstanding, next_n, n_max;

static void die(const char *what)
{
    fprintf(stderr, "radload: %s: %s\n", what, errno ? strerror(errno) : "refused");
    exit(2);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- the request file: see bench/packets.py ---- */

static void load_requests(void)
{
    struct stat stat;
    int fd = open(options.file, O_RDONLY);
    if (fd < 0 || fstat(fd, &stat) < 0)
        die(options.file);
    const uint8_t *at = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (at == MAP_FAILED)
        die("mmap");
    close(fd);
    const uint8_t *end = at + stat.st_size;
    errno = 0;
    if (stat.st_size < 14 || memcmp(at, "RADLOAD1", 8))
        die("not a request file");
    uint16_t length;
    memcpy(&requests_count, at + 8, 4);
    memcpy(&length, at + 12, 2);
    secret_length = length;
    at += 14;
    if (secret_length > sizeof secret || at + secret_length > end || requests_count % IDENTIFIERS
        || !requests_count)
        die("request file header");
    memcpy(secret, at, secret_length);
    at += secret_length;
    hmac_md5_prepare(&secret_key, secret, secret_length);
    requests = calloc(requests_count, sizeof *requests);
    if (!requests)
        die("memory");
    for (uint32_t i = 0; i < requests_count; i++) {
        if (at + 4 > end)
            die("request file is short");
        memcpy(&length, at, 2);
        requests[i] = (struct request){at + 4, length, at[2]};
        at += 4 + length;
        if (at > end || length < 20 || requests[i].octets[1] != i % IDENTIFIERS)
            die("request file record");
    }
}

/* ---- is this answer the server's? ---- */

static bool response_authenticator_is_right(const uint8_t *reply, size_t length, const uint8_t *request)
{
    struct md5 md5;
    uint8_t digest[16];
    md5_begin(&md5);
    md5_add(&md5, reply, 4);
    md5_add(&md5, request + 4, 16);
    md5_add(&md5, reply + 20, length - 20);
    md5_add(&md5, secret, secret_length);
    md5_end(&md5, digest);
    return !memcmp(digest, reply + 4, 16);
}

static bool message_authenticator_is_right(const uint8_t *reply, size_t length, size_t at,
                                           const uint8_t *request)
{
    static const uint8_t zeros[16];
    struct md5 md5;
    uint8_t digest[16];
    hmac_md5_begin(&md5, &secret_key);
    md5_add(&md5, reply, 4);
    md5_add(&md5, request + 4, 16);
    md5_add(&md5, reply + 20, at - 20);
    md5_add(&md5, zeros, 16);
    md5_add(&md5, reply + at + 16, length - at - 16);
    hmac_md5_end(&md5, &secret_key, digest);
    return !memcmp(digest, reply + at, 16);
}

/* True if the reply may be believed; otherwise it was counted and the request still waits. */
static bool verified(const uint8_t *reply, size_t length, const uint8_t *request)
{
    size_t message_authenticator = 0;
    if (((size_t)reply[2] << 8 | reply[3]) != length) {
        result.malformed++;
        return false;
    }
    for (size_t at = 20; at < length; at += reply[at + 1]) {
        if (at + 2 > length || reply[at + 1] < 2 || at + reply[at + 1] > length
            || (reply[at] == 80 && (reply[at + 1] != 18 || message_authenticator))) {
            result.malformed++;
            return false;
        }
        if (reply[at] == 80)
            message_authenticator = at + 2;
    }
    if (!message_authenticator) {
        result.without_message_authenticator++;
        if (options.want_message_authenticator)
            return false;
    }
    if (options.verify_one_in > 1 && result.answered % options.verify_one_in)
        return true;
    if (!response_authenticator_is_right(reply, length, request)) {
        result.wrong_authenticator++;
        return false;
    }
    if (message_authenticator
        && !message_authenticator_is_right(reply, length, message_authenticator, request)) {
        result.wrong_message_authenticator++;
        return false;
    }
    return true;
}

/* ---- latency: 64 linear steps in each power of two, so 1.6 % wide at most ---- */

static size_t bucket_of(uint64_t ns)
{
    if (ns < 64)
        return ns;
    int exponent = 63 - __builtin_clzll(ns);
    return (size_t)(exponent - 5) * 64 + ((ns >> (exponent - 6)) & 63);
}

static uint64_t bucket_top(size_t bucket)
{
    if (bucket < 64)
        return bucket;
    int exponent = (int)(bucket / 64) + 5;
    return ((bucket % 64 + 65) << (exponent - 6)) - 1;
}

static double quantile_us(double share)
{
    uint64_t want = (uint64_t)(share * (double)result.answered), seen = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        if ((seen += result.histogram[i]) > want) {
            uint64_t top = bucket_top(i);
            return (double)(top < result.max_ns ? top : result.max_ns) / 1e3;
        }
    return (double)result.max_ns / 1e3;
}

/* ---- sending ---- */

static struct batch {
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    uint32_t size;
    uint32_t socket;
} batch;

static void flush_batch(void)
{
    for (uint32_t done = 0; done < batch.size;) {
        int sent = sendmmsg(sockets[batch.socket], batch.messages + done, batch.size - done, MSG_DONTWAIT);
        if (sent > 0) {
            done += (uint32_t)sent;
        } else if (errno != EINTR) {
            result.refused++; /* an ICMP error of an earlier one, or no buffer: it goes unanswered */
            if (errno != ECONNREFUSED)
                done++;
        }
    }
    batch.size = 0;
}

static void put(uint32_t slot, uint64_t now)
{
    uint32_t socket = slot / IDENTIFIERS;
    const struct request *request = &requests[slots[slot].request];
    if (batch.size == BATCH || (batch.size && batch.socket != socket))
        flush_batch();
    batch.socket = socket;
    batch.vectors[batch.size] = (struct iovec){(void *)request->octets, request->length};
    batch.messages[batch.size].msg_hdr =
        (struct msghdr){.msg_iov = &batch.vectors[batch.size], .msg_iovlen = 1};
    batch.size++;
    slots[slot].sent_ns = now;
    slots[slot].tries++;
}

/* The next request whose slot is free; false when none of the next 4096 is. */
static bool submit(uint64_t due, uint64_t now)
{
    for (int attempts = 0; attempts < 4096; attempts++) {
        if (next_n >= n_max) {
            result.exhausted = true;
            return false;
        }
        uint64_t n = next_n++;
        uint64_t pass = n / requests_count;
        uint32_t identifier = n % IDENTIFIERS;
        uint32_t socket = (uint32_t)((n / IDENTIFIERS + identifier / CHUNK + pass) % options.sockets);
        struct slot *slot = &slots[socket * IDENTIFIERS + identifier];
        if (slot->busy)
            continue;
        *slot = (struct slot){.due_ns = due, .request = (uint32_t)(n % requests_count), .busy = true};
        put((uint32_t)(slot - slots), now);
        outstanding++;
        result.sent++;
        return true;
    }
    result.no_slot++;
    return false;
}

static void retransmit_or_lose(uint64_t now)
{
    uint64_t timeout = (uint64_t)(options.timeout_s * 1e9);
    for (uint32_t i = 0; i < options.sockets * IDENTIFIERS; i++) {
        if (!slots[i].busy || now - slots[i].sent_ns < timeout)
            continue;
        if (slots[i].tries <= options.retries) {
            put(i, now);
            result.retransmitted++;
        } else {
            slots[i].busy = false;
            outstanding--;
            result.lost++;
        }
    }
    flush_batch();
}

/* ---- receiving ---- */

static void take(uint32_t socket, const uint8_t *reply, size_t length, uint64_t now)
{
    if (length < 20) {
        result.malformed++;
        return;
    }
    struct slot *slot = &slots[socket * IDENTIFIERS + reply[1]];
    if (!slot->busy) {
        result.late++;
        return;
    }
    const struct request *request = &requests[slot->request];
    if (!verified(reply, length, request->octets))
        return;
    uint64_t latency = now - slot->due_ns;
    result.histogram[bucket_of(latency)]++;
    if (latency > result.max_ns)
        result.max_ns = latency;
    result.answered++;
    result.reply_octets += length;
    result.codes[reply[0]]++;
    result.wrong_code += reply[0] != request->expected_code;
    result.last_answer_ns = now;
    slot->busy = false;
    outstanding--;
}

static void drain(uint32_t socket)
{
    static uint8_t buffers[BATCH][REPLY_MAX];
    static struct iovec vectors[BATCH];
    static struct mmsghdr messages[BATCH];
    for (int i = 0; !messages[BATCH - 1].msg_hdr.msg_iov && i < BATCH; i++) {
        vectors[i] = (struct iovec){buffers[i], REPLY_MAX};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    for (;;) {
        int got = recvmmsg(sockets[socket], messages, BATCH, MSG_DONTWAIT, NULL);
        if (got < 0) {
            if (errno == ECONNREFUSED) {
                result.refused++;
                continue;
            }
            return;
        }
        uint64_t now = now_ns();
        for (int i = 0; i < got; i++)
            take(socket, buffers[i], messages[i].msg_len, now);
        if (got < BATCH)
            return;
    }
}

static void wait_and_drain(int epoll, uint64_t until)
{
    struct epoll_event events[BATCH];
    uint64_t now = now_ns();
    uint64_t wait = until > now ? until - now : 0;
    struct timespec timeout = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
    int ready = epoll_pwait2(epoll, events, BATCH, &timeout, NULL);
    if (ready < 0 && errno != EINTR)
        die("epoll_pwait2");
    for (int i = 0; i < ready; i++)
        drain(events[i].data.u32);
}

/* ---- a run ---- */

static int bound_socket(uint32_t source)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    int size = 4 << 20;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

static int open_sockets(void)
{
    int epoll = epoll_create1(0);
    for (uint32_t i = 0; i < options.sockets; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        sockets[i] = bound_socket(options.source + i % options.sources);
        if (connect(sockets[i], (struct sockaddr *)&options.target, sizeof options.target) < 0
            || epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i], &event) < 0)
            die("connect");
    }
    return epoll;
}

static void run_load(void)
{
    int epoll = open_sockets();
    slots = calloc((size_t)options.sockets * IDENTIFIERS, sizeof *slots);
    if (!slots)
        die("memory");
    n_max = (uint64_t)requests_count * options.sockets;
    double interval = options.rate > 0 ? 1e9 / options.rate : 0;
    uint64_t start = now_ns(), now = start, scan = start + SCAN_NS;
    uint64_t end = start + (uint64_t)(options.seconds * 1e9);
    uint64_t asked = 0;
    result.start_ns = result.last_answer_ns = start;
    for (;;) {
        bool asking = now < end && asked < options.count && !result.exhausted;
        uint64_t wake = scan;
        if (asking && options.rate > 0) {
            uint64_t due = start + (uint64_t)((double)asked * interval);
            for (int burst = 0; burst < BATCH && due <= now && asked < options.count; burst++) {
                submit(due, now);
                due = start + (uint64_t)((double)++asked * interval);
            }
            wake = due < scan ? due : scan;
        } else if (asking) {
            while (outstanding < options.window && asked < options.count && submit(now, now))
                asked++;
        }
        flush_batch();
        if (!asking && !outstanding)
            break;
        wait_and_drain(epoll, wake);
        now = now_ns();
        if (now >= scan) {
            retransmit_or_lose(now);
            scan = now + SCAN_NS;
        }
    }
}

/* From an address of 127/8 that nobody bound: all of it is this machine's own, so the
 * kernel lets IP_PKTINFO choose any, and what the server answers comes back to the socket. */
static void run_flood(void)
{
    enum { PORTS = 8 };
    static union {
        struct cmsghdr header;
        char octets[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } controls[BATCH];
    int fds[PORTS];
    for (int i = 0; i < PORTS; i++)
        fds[i] = bound_socket(INADDR_ANY);
    uint64_t start = now_ns(), end = start + (uint64_t)(options.seconds * 1e9), tried = 0;
    double interval = 1e9 / options.rate;
    result.start_ns = start;
    for (uint64_t now = start; now < end && tried < options.count; now = now_ns()) {
        uint64_t due = (uint64_t)((double)(now - start) / interval) + 1;
        if (due > options.count)
            due = options.count;
        for (; tried < due; tried += batch.size) {
            for (batch.size = 0; batch.size < BATCH && tried + batch.size < due; batch.size++) {
                uint64_t n = tried + batch.size;
                const struct request *request = &requests[n % requests_count];
                struct in_pktinfo source = {
                    .ipi_spec_dst.s_addr = htonl(options.source + (uint32_t)(n % options.sources))};
                struct cmsghdr *control = &controls[batch.size].header;
                *control = (struct cmsghdr){CMSG_LEN(sizeof source), IPPROTO_IP, IP_PKTINFO};
                memcpy(CMSG_DATA(control), &source, sizeof source);
                batch.vectors[batch.size] = (struct iovec){(void *)request->octets, request->length};
                batch.messages[batch.size].msg_hdr = (struct msghdr){
                    .msg_name = &options.target, .msg_namelen = sizeof options.target,
                    .msg_iov = &batch.vectors[batch.size], .msg_iovlen = 1,
                    .msg_control = control, .msg_controllen = sizeof controls[0]};
            }
            int sent = sendmmsg(fds[tried / BATCH % PORTS], batch.messages, batch.size, MSG_DONTWAIT);
            result.sent += sent > 0 ? (uint64_t)sent : 0;
            result.refused += sent < (int)batch.size;
        }
        struct timespec pause = {0, 500 * 1000};
        nanosleep(&pause, NULL);
        for (int i = 0; i < PORTS; i++) {
            uint8_t reply[REPLY_MAX];
            while (recv(fds[i], reply, sizeof reply, MSG_DONTWAIT) >= 0)
                result.answered++;
        }
    }
    result.last_answer_ns = now_ns();
}

/* ---- options and output ---- */

static uint32_t loopback_address(const char *text)
{
    struct in_addr address;
    errno = 0;
    if (inet_pton(AF_INET, text, &address) != 1 || ntohl(address.s_addr) >> 24 != 127)
        die("only addresses of 127.0.0.0/8");
    return ntohl(address.s_addr);
}

static void set_target(char *text)
{
    char *colon = strchr(text, ':');
    errno = 0;
    if (!colon)
        die("--target ADDRESS:PORT");
    *colon = 0;
    options.target = (struct sockaddr_in){.sin_family = AF_INET,
                                          .sin_port = htons((uint16_t)atoi(colon + 1)),
                                          .sin_addr.s_addr = htonl(loopback_address(text))};
}

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"file", 1, 0, 'f'}, {"target", 1, 0, 't'}, {"source", 1, 0, 's'}, {"sources", 1, 0, 'S'},
        {"sockets", 1, 0, 'k'}, {"window", 1, 0, 'w'}, {"rate", 1, 0, 'r'}, {"count", 1, 0, 'n'},
        {"seconds", 1, 0, 'T'}, {"retries", 1, 0, 'R'}, {"timeout", 1, 0, 'o'},
        {"verify-one-in", 1, 0, 'v'}, {"want-message-authenticator", 0, 0, 'm'},
        {"flood", 0, 0, 'F'}, {0}};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'f': options.file = optarg; break;
        case 't': set_target(optarg); break;
        case 's': options.source = loopback_address(optarg); break;
        case 'S': options.sources = (uint32_t)atol(optarg); break;
        case 'k': options.sockets = (uint32_t)atol(optarg); break;
        case 'w': options.window = (uint32_t)atol(optarg); break;
        case 'r': options.rate = atof(optarg); break;
        case 'n': options.count = (uint64_t)atoll(optarg); break;
        case 'T': options.seconds = atof(optarg); break;
        case 'R': options.retries = (uint32_t)atol(optarg); break;
        case 'o': options.timeout_s = atof(optarg); break;
        case 'v': options.verify_one_in = (uint32_t)atol(optarg); break;
        case 'm': options.want_message_authenticator = true; break;
        case 'F': options.flood = true; break;
        default: exit(2);
        }
    }
    errno = 0;
    if (!options.file || !options.target.sin_port)
        die("--file and --target are needed");
    if (!options.count && options.seconds <= 0)
        die("--count or --seconds must bound the run");
    if (!options.count)
        options.count = UINT64_MAX;
    if (options.seconds <= 0 || options.seconds > SECONDS_MAX)
        options.seconds = SECONDS_MAX;
    if ((options.rate > 0) == (options.window > 0) || (options.flood && options.rate <= 0))
        die("either --window or --rate; a flood has a rate");
    if (!options.sockets || options.sockets > SOCKETS_MAX || !options.sources || !options.verify_one_in
        || options.retries > 100 || options.timeout_s <= 0 || options.timeout_s > 60
        || options.window > options.sockets * IDENTIFIERS / 2)
        die("an option is out of range");
    if ((options.source + options.sources - 1) >> 24 != 127)
        die("only addresses of 127.0.0.0/8");
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void print_result(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double seconds = (double)(result.last_answer_ns - result.start_ns) / 1e9;
    printf("{\"mode\": \"%s\", \"window\": %u, \"offered_per_s\": %.0f, \"seconds\": %.6f, ",
           options.flood ? "flood" : options.rate > 0 ? "open" : "closed", options.window, options.rate,
           seconds);
    printf("\"sent\": %lu, \"answered\": %lu, \"lost\": %lu, \"retransmitted\": %lu, \"late\": %lu, ",
           result.sent, result.answered, result.lost, result.retransmitted, result.late);
    printf("\"malformed\": %lu, \"no_slot\": %lu, \"send_errors\": %lu, \"exhausted\": %s, ",
           result.malformed, result.no_slot, result.refused, result.exhausted ? "true" : "false");
    printf("\"wrong_authenticator\": %lu, \"wrong_message_authenticator\": %lu, ",
           result.wrong_authenticator, result.wrong_message_authenticator);
    printf("\"without_message_authenticator\": %lu, \"wrong_code\": %lu, \"codes\": {",
           result.without_message_authenticator, result.wrong_code);
    const char *comma = "";
    for (int code = 0; code < 256; code++)
        if (result.codes[code]) {
            printf("%s\"%d\": %lu", comma, code, result.codes[code]);
            comma = ", ";
        }
    printf("}, \"answered_per_s\": %.1f, \"sent_per_s\": %.1f, ",
           seconds > 0 ? (double)result.answered / seconds : 0,
           seconds > 0 ? (double)result.sent / seconds : 0);
    printf("\"reply_octets_mean\": %.1f, ",
           result.answered ? (double)result.reply_octets / (double)result.answered : 0);
    if (!options.flood)
        printf("\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, ",
               quantile_us(0.5), quantile_us(0.9), quantile_us(0.99), quantile_us(0.999),
               (double)result.max_ns / 1e3);
    printf("\"generator_cpu_s\": %.3f}\n", seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    load_requests();
    prctl(PR_SET_TIMERSLACK, 1000UL); /* ns; the default of 50 us would be half of a p50 */
    if (options.flood)
        run_flood();
    else
        run_load();
    print_result();
    return 0;
}
