/*
 * The firewall's rules of a namespace as netlink messages: read where a tool has put them in once, sent as one transaction
 * into other namespaces that hold none yet. Starting that tool for every pod is most of what its start would wait for.
 */
#include "ambit-netns.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define MAX_RULES_BYTES (48 * 1024)
#define FRESH_GENERATION 1

struct copy {
  unsigned char at[MAX_RULES_BYTES];
  size_t used;
  bool is_full;
};

struct kind {
  unsigned char ask, answer;
  uint16_t flags;
  uint32_t attributes; /* those that say what a thing is, by bit; others are counts, handles and places */
};
static const struct kind kinds[] = {
    {NFT_MSG_GETTABLE, NFT_MSG_NEWTABLE, NLM_F_CREATE, 1u << NFTA_TABLE_NAME},
    {NFT_MSG_GETCHAIN, NFT_MSG_NEWCHAIN, NLM_F_CREATE, 1u << NFTA_CHAIN_TABLE | 1u << NFTA_CHAIN_NAME | 1u << NFTA_CHAIN_HOOK | 1u << NFTA_CHAIN_POLICY | 1u << NFTA_CHAIN_TYPE},
    {NFT_MSG_GETRULE, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, 1u << NFTA_RULE_TABLE | 1u << NFTA_RULE_CHAIN | 1u << NFTA_RULE_EXPRESSIONS | 1u << NFTA_RULE_USERDATA},
};

struct dump {
  const struct kind *kind;
  struct copy *copy;
};

/* A list of attributes; `at` goes through it. */
struct list {
  unsigned char *start;
  size_t length, at;
};

static struct nlattr *next_of(struct list *list) {
  struct nlattr *attribute = (struct nlattr *)(list->start + list->at);
  size_t left = list->at < list->length ? list->length - list->at : 0;
  if (left < NLA_HDRLEN || attribute->nla_len < NLA_HDRLEN || attribute->nla_len > left) return NULL;
  list->at += NLA_ALIGN((size_t)attribute->nla_len);
  return attribute;
}

static struct list inside(struct nlattr *attribute) {
  return (struct list){(unsigned char *)attribute + NLA_HDRLEN, attribute->nla_len - NLA_HDRLEN, 0};
}

static unsigned type_of(const struct nlattr *attribute) {
  return attribute->nla_type & NLA_TYPE_MASK;
}

/* What passed a rule says nothing about the rule. The name of an expression comes before its data. */
static void clear_counters(struct nlattr *expressions) {
  struct list elements = inside(expressions);
  for (struct nlattr *element; (element = next_of(&elements));) {
    struct list parts = inside(element);
    bool is_counter = false;
    for (struct nlattr *part; (part = next_of(&parts));) {
      struct list content = inside(part);
      if (type_of(part) == NFTA_EXPR_NAME) is_counter = content.length == sizeof "counter" && memcmp(content.start, "counter", sizeof "counter") == 0;
      if (type_of(part) != NFTA_EXPR_DATA || !is_counter) continue;
      for (struct nlattr *value; (value = next_of(&content));) memset((unsigned char *)value + NLA_HDRLEN, 0, value->nla_len - NLA_HDRLEN);
    }
  }
}

static void on_thing(const void *bytes, void *context) {
  struct nlmsghdr *message = (struct nlmsghdr *)bytes;
  const struct dump *dump = context;
  struct copy *copy = dump->copy;
  if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | dump->kind->answer)) return;
  if (message->nlmsg_len > sizeof copy->at - copy->used) {
    copy->is_full = true;
    return;
  }
  struct nlmsghdr *header = (struct nlmsghdr *)(copy->at + copy->used);
  struct nfgenmsg *family = NLMSG_DATA(message);
  *header = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(sizeof *family), .nlmsg_type = message->nlmsg_type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | dump->kind->flags)};
  *(struct nfgenmsg *)NLMSG_DATA(header) = (struct nfgenmsg){.nfgen_family = family->nfgen_family};
  struct list attributes = {(unsigned char *)family + NLMSG_ALIGN(sizeof *family), message->nlmsg_len - NLMSG_LENGTH(sizeof *family), 0};
  for (struct nlattr *attribute; (attribute = next_of(&attributes));) {
    if (type_of(attribute) >= 32 || !(dump->kind->attributes >> type_of(attribute) & 1)) continue;
    struct nlattr *own = (struct nlattr *)((char *)header + header->nlmsg_len);
    memset(own, 0, NLA_ALIGN((size_t)attribute->nla_len));
    memcpy(own, attribute, attribute->nla_len);
    header->nlmsg_len += NLA_ALIGN((uint32_t)attribute->nla_len);
    if (dump->kind->answer == NFT_MSG_NEWRULE && type_of(own) == NFTA_RULE_EXPRESSIONS) clear_counters(own);
  }
  copy->used += NLMSG_ALIGN(header->nlmsg_len);
}

int look_at_rules(struct text *out) {
  static struct copy copy __attribute__((aligned(8)));
  copy.used = 0;
  copy.is_full = false;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    struct {
      struct nlmsghdr header;
      struct nfgenmsg body;
    } request = {.header = {.nlmsg_len = sizeof request, .nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | kinds[i].ask), .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
    struct dump dump = {&kinds[i], &copy};
    int result = netlink_ask(NETLINK_NETFILTER, &request, on_thing, &dump);
    if (result < 0) return result;
  }
  if (copy.is_full) return -EMSGSIZE;
  add_text(out, ",\"rules\":\"");
  for (size_t i = 0; i < copy.used; i++) add_text(out, "%02x", copy.at[i]);
  add_text(out, "\"");
  return 0;
}

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The only messages that are sent: new tables, chains and rules. */
static bool may_send(const struct nlmsghdr *message) {
  if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || message->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg))) return false;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if ((message->nlmsg_type & 0xff) == kinds[i].answer) return true;
  return false;
}

/* Sends, and waits for the answer to the last message; what fails in between is answered earlier. */
static int transact(const void *bytes, size_t length, uint32_t last) {
  static char buffer[64 * 1024] __attribute__((aligned(8)));
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd < 0) return -errno;
  struct timeval limit = {.tv_sec = 2};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  int result = sendto(fd, bytes, length, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0 ? -errno : 1;
  while (result == 1) {
    ssize_t count = recv(fd, buffer, sizeof buffer, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      result = count < 0 ? -errno : -EIO;
      break;
    }
    size_t left = (size_t)count;
    for (struct nlmsghdr *message = (struct nlmsghdr *)buffer; result == 1 && NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type != NLMSG_ERROR) continue;
      int error = ((struct nlmsgerr *)NLMSG_DATA(message))->error;
      if (error < 0 || message->nlmsg_seq == last) result = error;
    }
  }
  close(fd);
  return result;
}

int put_rules(const char *hex, bool *was_fresh) {
  static unsigned char bytes[MAX_RULES_BYTES + 256] __attribute__((aligned(8)));
  struct {
    struct nlmsghdr header;
    struct nfgenmsg body;
    struct nlattr attribute;
    uint32_t generation;
  } begin = {.header = {.nlmsg_len = sizeof begin, .nlmsg_type = NFNL_MSG_BATCH_BEGIN, .nlmsg_flags = NLM_F_REQUEST},
             .body = {.res_id = htons(NFNL_SUBSYS_NFTABLES)},
             .attribute = {.nla_len = NLA_HDRLEN + sizeof begin.generation, .nla_type = NFNL_BATCH_GENID},
             .generation = htonl(FRESH_GENERATION)};
  size_t used = sizeof begin, digits = strspn(hex, "0123456789abcdef");
  if (digits == 0 || digits % 2 || hex[digits] || digits / 2 > MAX_RULES_BYTES) return -EINVAL;
  memcpy(bytes, &begin, sizeof begin);
  for (size_t i = 0; i < digits; i += 2) bytes[used++] = (unsigned char)(digit(hex[i]) << 4 | digit(hex[i + 1]));
  struct nlmsghdr *last = NULL;
  uint32_t sequence = 0;
  size_t left = used - sizeof begin;
  for (struct nlmsghdr *message = (struct nlmsghdr *)(bytes + sizeof begin); NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
    if (!may_send(message)) return -EINVAL;
    message->nlmsg_seq = ++sequence;
    last = message;
  }
  if (!last || left != 0) return -EINVAL;
  last->nlmsg_flags |= NLM_F_ACK;
  begin.header = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(sizeof begin.body), .nlmsg_type = NFNL_MSG_BATCH_END, .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = sequence + 1};
  memcpy(bytes + used, &begin, begin.header.nlmsg_len);
  int result = transact(bytes, used + begin.header.nlmsg_len, sequence);
  *was_fresh = result != -ERESTART;
  return *was_fresh ? result : 0;
}
