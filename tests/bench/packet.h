/* IPv4 packets with TCP in them, as a tun device gives and takes them. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In host byte order. */
typedef struct {
    uint32_t from, to;
    uint16_t from_port, to_port;
    uint32_t seq, ack;
    bool is_syn, is_fin, is_rst;
    size_t payload_len;
} Packet;

/* FALSE: no whole TCP over IPv4, or a fragment. */
bool packet_parse(const uint8_t *bytes, size_t len, Packet *packet);

/* Gives parsed bytes other addresses, and the checksums that belong to them. */
void packet_readdress(uint8_t *bytes, size_t len, uint32_t from, uint32_t to);
