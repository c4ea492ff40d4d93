/* Listening sockets, and whether the firewall's rules changed. */
#include "ambit-netns.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STATE_LISTEN 10
#define STATE_CLOSE 7 /* every UDP socket without a peer */

struct listing {
  struct text *out;
  const char *protocol;
};

static bool is_mesh_port(unsigned port) {
  return port == 15001 || port == 15006 || port == 15008 || port == 15053;
}

/* Only a process with rights over the namespace can set a mark, so a marked listener is ztunnel's and not the pod's own. */
static void on_socket(const void *bytes, void *context) {
  const struct nlmsghdr *message = bytes;
  const struct inet_diag_msg *info = NLMSG_DATA(message);
  struct listing *listing = context;
  unsigned port = ntohs(info->id.idiag_sport);
  if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY || !is_mesh_port(port)) return;
  uint32_t mark = 0;
  int left = (int)(message->nlmsg_len - NLMSG_LENGTH(sizeof *info));
  for (const struct rtattr *attribute = (const struct rtattr *)((const char *)info + NLMSG_ALIGN(sizeof *info)); RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
    if (attribute->rta_type == INET_DIAG_MARK && RTA_PAYLOAD(attribute) >= sizeof mark) memcpy(&mark, RTA_DATA(attribute), sizeof mark);
  struct text *out = listing->out;
  add_text(out, "%s{\"protocol\":\"%s\",\"port\":%u,\"mark\":%u}", out->at[out->used - 1] == '[' ? "" : ",", listing->protocol, port, mark);
}

int look_at_listeners(struct text *out) {
  static const struct {
    int family, protocol, state;
    const char *name;
  } kinds[] = {{AF_INET, IPPROTO_TCP, STATE_LISTEN, "tcp"}, {AF_INET6, IPPROTO_TCP, STATE_LISTEN, "tcp"}, {AF_INET, IPPROTO_UDP, STATE_CLOSE, "udp"}, {AF_INET6, IPPROTO_UDP, STATE_CLOSE, "udp"}};
  int result = 0;
  add_text(out, "\"listeners\":[");
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds && result == 0; i++) {
    struct {
      struct nlmsghdr header;
      struct inet_diag_req_v2 body;
    } request = {.header = {.nlmsg_len = sizeof request, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .body = {.sdiag_family = (unsigned char)kinds[i].family, .sdiag_protocol = (unsigned char)kinds[i].protocol, .idiag_states = 1u << kinds[i].state}};
    struct listing listing = {out, kinds[i].name};
    result = netlink_ask(NETLINK_SOCK_DIAG, &request, on_socket, &listing);
    /* A kernel without IPv6, or without the module for UDP, has none of these sockets to show. */
    if (result == -ENOENT && i > 0) result = 0;
  }
  add_text(out, "]");
  return result;
}

static void on_generation(const void *bytes, void *context) {
  const struct nlmsghdr *message = bytes;
  if ((message->nlmsg_type & 0xff) != NFT_MSG_NEWGEN) return;
  int left = (int)(message->nlmsg_len - NLMSG_LENGTH(sizeof(struct nfgenmsg)));
  for (const struct rtattr *attribute = (const struct rtattr *)((const char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(struct nfgenmsg))); RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
    if ((attribute->rta_type & NLA_TYPE_MASK) == NFTA_GEN_ID && RTA_PAYLOAD(attribute) >= 4) {
      uint32_t id;
      memcpy(&id, RTA_DATA(attribute), sizeof id);
      *(uint32_t *)context = ntohl(id);
    }
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length) {
  for (const unsigned char *p = bytes; length > 0; p++, length--) hash = (hash ^ *p) * 0x100000001b3u;
  return hash;
}

/* The entries without their counters. Both families' entries begin alike up to where `counters` lies. */
static int hash_legacy(int family, const char *table, uint64_t *hash) {
  int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
  size_t counters_at = family == AF_INET ? offsetof(struct ipt_entry, counters) : offsetof(struct ip6t_entry, counters);
  size_t next_at = family == AF_INET ? offsetof(struct ipt_entry, next_offset) : offsetof(struct ip6t_entry, next_offset);
  int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) return -errno;
  struct ipt_getinfo info = {0};
  socklen_t length = sizeof info;
  strncpy(info.name, table, sizeof info.name - 1);
  int result = getsockopt(fd, level, IPT_SO_GET_INFO, &info, &length) < 0 ? -errno : 0;
  struct ipt_get_entries *entries = NULL;
  if (result == 0 && info.size <= 4u * 1024 * 1024 && (entries = calloc(1, sizeof *entries + info.size))) {
    strncpy(entries->name, table, sizeof entries->name - 1);
    entries->size = info.size;
    length = (socklen_t)(sizeof *entries + info.size);
    if (getsockopt(fd, level, IPT_SO_GET_ENTRIES, entries, &length) < 0) result = -errno;
    char *bytes = (char *)entries->entrytable;
    for (size_t at = 0; result == 0 && at + counters_at + sizeof(struct xt_counters) <= info.size;) {
      uint16_t next;
      memcpy(&next, bytes + at + next_at, sizeof next);
      if (next < counters_at + sizeof(struct xt_counters) || next > info.size - at) break;
      memset(bytes + at + counters_at, 0, sizeof(struct xt_counters));
      *hash = hash_bytes(*hash, bytes + at, next);
      at += next;
    }
  } else if (result == 0) {
    result = -ENOMEM;
  }
  free(entries);
  close(fd);
  return result;
}

int look_at_generation(bool legacy, struct text *out) {
  struct {
    struct nlmsghdr header;
    struct nfgenmsg body;
  } request = {.header = {.nlmsg_len = sizeof request, .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
  uint32_t generation = 0;
  uint64_t hash = 0xcbf29ce484222325u;
  int result = netlink_ask(NETLINK_NETFILTER, &request, on_generation, &generation);
  if (result < 0 && !legacy) return result;
  static const char *const tables[] = {"nat", "mangle", "raw"};
  for (size_t i = 0; legacy && i < 6; i++) {
    result = hash_legacy(i < 3 ? AF_INET : AF_INET6, tables[i % 3], &hash);
    /* A table that is not there is a state like any other. */
    if (result < 0 && result != -ENOENT && result != -ENOPROTOOPT && result != -EAFNOSUPPORT) return result;
    hash = hash_bytes(hash, &i, sizeof i);
  }
  add_text(out, legacy ? "\"generation\":\"%u-%llx\"" : "\"generation\":\"%u\"", generation, (unsigned long long)hash);
  return 0;
}
