#include "packet.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <string.h>

static size_t ip_len(const uint8_t *bytes)
{
    return (size_t)(bytes[0] & 0x0f) * 4;
}

bool packet_parse(const uint8_t *bytes, size_t len, Packet *packet)
{
    struct iphdr ip;
    struct tcphdr tcp;
    if (len < sizeof ip)
        return false;
    memcpy(&ip, bytes, sizeof ip);
    size_t at = ip_len(bytes);
    if (ip.version != 4 || ip.protocol != IPPROTO_TCP || ntohs(ip.tot_len) != len ||
        (ntohs(ip.frag_off) & 0x3fff) != 0 || at < sizeof ip || len < at + sizeof tcp)
        return false;
    memcpy(&tcp, bytes + at, sizeof tcp);
    size_t tcp_len = (size_t)tcp.doff * 4;
    if (tcp_len < sizeof tcp || len < at + tcp_len)
        return false;
    *packet = (Packet){.from = ntohl(ip.saddr),
                       .to = ntohl(ip.daddr),
                       .from_port = ntohs(tcp.source),
                       .to_port = ntohs(tcp.dest),
                       .seq = ntohl(tcp.seq),
                       .ack = ntohl(tcp.ack_seq),
                       .is_syn = tcp.syn,
                       .is_fin = tcp.fin,
                       .is_rst = tcp.rst,
                       .payload_len = len - at - tcp_len};
    return true;
}

/* RFC 1071, carried on from sum. */
static uint32_t add_words(uint32_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    return len % 2 ? sum + (uint32_t)(bytes[len - 1] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

void packet_readdress(uint8_t *bytes, size_t len, uint32_t from, uint32_t to)
{
    size_t at = ip_len(bytes);
    uint32_t addresses[2] = {htonl(from), htonl(to)};
    uint16_t sum = 0;
    memcpy(bytes + offsetof(struct iphdr, saddr), addresses, sizeof addresses);
    memcpy(bytes + offsetof(struct iphdr, check), &sum, sizeof sum);
    sum = fold(add_words(0, bytes, at));
    memcpy(bytes + offsetof(struct iphdr, check), &sum, sizeof sum);
    /* TCP's covers the addresses, the protocol and the length too (RFC 9293 section 3.1). */
    uint8_t *tcp = bytes + at;
    memset(tcp + offsetof(struct tcphdr, check), 0, sizeof sum);
    uint32_t pseudo =
        add_words(IPPROTO_TCP + (uint32_t)(len - at), (const uint8_t *)addresses, sizeof addresses);
    sum = fold(add_words(pseudo, tcp, len - at));
    memcpy(tcp + offsetof(struct tcphdr, check), &sum, sizeof sum);
}
