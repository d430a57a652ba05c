/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MD5 (RFC 1321) and HMAC-MD5 (RFC 2104), for checking that a reply is the server's.
 *
 * Written here so that the generator needs nothing but a C compiler.  A keyed state keeps
 * the two pad blocks hashed, since a run checks millions of replies under one secret.
 */
#ifndef TURNPIKE_BENCH_MD5_H
#define TURNPIKE_BENCH_MD5_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct md5 {
    uint32_t state[4];
    uint64_t octets;
    uint8_t block[64];
};

struct hmac_md5_key {
    uint32_t inner[4];
    uint32_t outer[4];
};

static const uint32_t MD5_SINES[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

#define MD5_ROTATE(x, n) (((x) << (n)) | ((x) >> (32 - (n))))
#define MD5_F(b, c, d) ((d) ^ ((b) & ((c) ^ (d))))
#define MD5_G(b, c, d) ((c) ^ ((d) & ((b) ^ (c))))
#define MD5_H(b, c, d) ((b) ^ (c) ^ (d))
#define MD5_I(b, c, d) ((c) ^ ((b) | ~(d)))
#define MD5_STEP(f, a, b, c, d, word, shift, i)                                                    \
    (a) += f(b, c, d) + (word) + MD5_SINES[i];                                                     \
    (a) = (b) + MD5_ROTATE(a, shift);
#define MD5_FOUR(f, s1, s2, s3, s4, w1, w2, w3, w4, i)                                             \
    MD5_STEP(f, a, b, c, d, w[w1], s1, i)                                                          \
    MD5_STEP(f, d, a, b, c, w[w2], s2, (i) + 1)                                                    \
    MD5_STEP(f, c, d, a, b, w[w3], s3, (i) + 2)                                                    \
    MD5_STEP(f, b, c, d, a, w[w4], s4, (i) + 3)

static void md5_block(uint32_t state[4], const uint8_t *octets)
{
    uint32_t w[16];
    memcpy(w, octets, 64); /* little-endian machines only; radload.c asserts it */
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    MD5_FOUR(MD5_F, 7, 12, 17, 22, 0, 1, 2, 3, 0)
    MD5_FOUR(MD5_F, 7, 12, 17, 22, 4, 5, 6, 7, 4)
    MD5_FOUR(MD5_F, 7, 12, 17, 22, 8, 9, 10, 11, 8)
    MD5_FOUR(MD5_F, 7, 12, 17, 22, 12, 13, 14, 15, 12)
    MD5_FOUR(MD5_G, 5, 9, 14, 20, 1, 6, 11, 0, 16)
    MD5_FOUR(MD5_G, 5, 9, 14, 20, 5, 10, 15, 4, 20)
    MD5_FOUR(MD5_G, 5, 9, 14, 20, 9, 14, 3, 8, 24)
    MD5_FOUR(MD5_G, 5, 9, 14, 20, 13, 2, 7, 12, 28)
    MD5_FOUR(MD5_H, 4, 11, 16, 23, 5, 8, 11, 14, 32)
    MD5_FOUR(MD5_H, 4, 11, 16, 23, 1, 4, 7, 10, 36)
    MD5_FOUR(MD5_H, 4, 11, 16, 23, 13, 0, 3, 6, 40)
    MD5_FOUR(MD5_H, 4, 11, 16, 23, 9, 12, 15, 2, 44)
    MD5_FOUR(MD5_I, 6, 10, 15, 21, 0, 7, 14, 5, 48)
    MD5_FOUR(MD5_I, 6, 10, 15, 21, 12, 3, 10, 1, 52)
    MD5_FOUR(MD5_I, 6, 10, 15, 21, 8, 15, 6, 13, 56)
    MD5_FOUR(MD5_I, 6, 10, 15, 21, 4, 11, 2, 9, 60)
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

static void md5_begin(struct md5 *md5)
{
    static const uint32_t initial[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    memcpy(md5->state, initial, sizeof initial);
    md5->octets = 0;
}

static void md5_add(struct md5 *md5, const void *data, size_t size)
{
    const uint8_t *octets = data;
    size_t held = md5->octets % 64;
    md5->octets += size;
    if (held) {
        size_t take = size < 64 - held ? size : 64 - held;
        memcpy(md5->block + held, octets, take);
        octets += take;
        size -= take;
        if (held + take < 64)
            return;
        md5_block(md5->state, md5->block);
    }
    for (; size >= 64; octets += 64, size -= 64)
        md5_block(md5->state, octets);
    memcpy(md5->block, octets, size);
}

static void md5_end(struct md5 *md5, uint8_t digest[16])
{
    uint64_t bits = md5->octets * 8;
    size_t held = md5->octets % 64;
    md5->block[held++] = 0x80;
    if (held > 56) {
        memset(md5->block + held, 0, 64 - held);
        md5_block(md5->state, md5->block);
        held = 0;
    }
    memset(md5->block + held, 0, 56 - held);
    memcpy(md5->block + 56, &bits, 8);
    md5_block(md5->state, md5->block);
    memcpy(digest, md5->state, 16);
}

static void hmac_md5_prepare(struct hmac_md5_key *key, const uint8_t *secret, size_t size)
{
    uint8_t pad[64] = {0}, block[64];
    struct md5 md5;
    if (size > 64) {
        md5_begin(&md5);
        md5_add(&md5, secret, size);
        md5_end(&md5, pad);
    } else {
        memcpy(pad, secret, size);
    }
    for (int inner = 1; inner >= 0; inner--) {
        for (int i = 0; i < 64; i++)
            block[i] = pad[i] ^ (inner ? 0x36 : 0x5c);
        md5_begin(&md5);
        md5_block(md5.state, block);
        memcpy(inner ? key->inner : key->outer, md5.state, 16);
    }
}

static void hmac_md5_begin(struct md5 *md5, const struct hmac_md5_key *key)
{
    memcpy(md5->state, key->inner, 16);
    md5->octets = 64;
}

static void hmac_md5_end(struct md5 *md5, const struct hmac_md5_key *key, uint8_t digest[16])
{
    uint8_t inner[16];
    md5_end(md5, inner);
    memcpy(md5->state, key->outer, 16);
    md5->octets = 64;
    md5_add(md5, inner, 16);
    md5_end(md5, digest);
}

#endif
