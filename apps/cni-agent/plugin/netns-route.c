/* Netlink: addresses, the return path's rule and route. */
#include "ambit-netns.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define LOOPBACK_INDEX 1

int netlink_ask(int protocol, void *request, void (*on_message)(const void *, void *), void *context) {
  static char buffer[64 * 1024] __attribute__((aligned(8)));
  struct nlmsghdr *header = request;
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) return -errno;
  struct timeval limit = {.tv_sec = 2};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  int result = send(fd, request, header->nlmsg_len, 0) < 0 ? -errno : 1;
  while (result == 1) {
    ssize_t length = recv(fd, buffer, sizeof buffer, MSG_TRUNC);
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0 || (size_t)length > sizeof buffer) {
      result = length < 0 ? -errno : -EMSGSIZE;
      break;
    }
    size_t left = (size_t)length;
    for (struct nlmsghdr *message = (struct nlmsghdr *)buffer; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_flags & NLM_F_DUMP_INTR) result = -EAGAIN;
      if (message->nlmsg_type == NLMSG_DONE) {
        if (result == 1) result = 0;
        break;
      }
      if (message->nlmsg_type == NLMSG_ERROR) {
        result = ((struct nlmsgerr *)NLMSG_DATA(message))->error;
        break;
      }
      if (on_message) on_message(message, context);
    }
  }
  close(fd);
  return result == 1 ? 0 : result;
}

static void on_address(const void *bytes, void *context) {
  const struct nlmsghdr *message = bytes;
  const struct ifaddrmsg *info = NLMSG_DATA(message);
  if (message->nlmsg_type != RTM_NEWADDR) return;
  char shown[INET6_ADDRSTRLEN];
  const void *local = NULL;
  int left = (int)IFA_PAYLOAD(message);
  for (const struct rtattr *attribute = IFA_RTA(info); RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
    if (attribute->rta_type == IFA_LOCAL || (attribute->rta_type == IFA_ADDRESS && !local)) local = RTA_DATA(attribute);
  struct text *out = context;
  if (local && inet_ntop(info->ifa_family, local, shown, sizeof shown)) add_text(out, "%s\"%s\"", out->at[out->used - 1] == '[' ? "" : ",", shown);
}

int look_at_addresses(struct text *out) {
  struct {
    struct nlmsghdr header;
    struct ifaddrmsg body;
  } request = {.header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_GETADDR, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
  add_text(out, "\"addresses\":[");
  int result = netlink_ask(NETLINK_ROUTE, &request, on_address, out);
  add_text(out, "]");
  return result;
}

static uint32_t number(const struct rtattr *attribute) {
  uint32_t value = 0;
  if (RTA_PAYLOAD(attribute) >= sizeof value) memcpy(&value, RTA_DATA(attribute), sizeof value);
  return value;
}

static void on_rule(const void *bytes, void *context) {
  const struct nlmsghdr *message = bytes;
  const struct fib_rule_hdr *info = NLMSG_DATA(message);
  if (message->nlmsg_type != RTM_NEWRULE) return;
  uint32_t table = info->table, mark = 0, mask = 0, priority = 0;
  int left = (int)(message->nlmsg_len - NLMSG_LENGTH(sizeof *info));
  for (const struct rtattr *attribute = (const struct rtattr *)((const char *)info + NLMSG_ALIGN(sizeof *info)); RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type == FRA_TABLE) table = number(attribute);
    if (attribute->rta_type == FRA_FWMARK) mark = number(attribute);
    if (attribute->rta_type == FRA_FWMASK) mask = number(attribute);
    if (attribute->rta_type == FRA_PRIORITY) priority = number(attribute);
  }
  if (table == RETURN_TABLE && mark == CONNECTION_MARK && mask == MARK_MASK && priority == RETURN_PRIORITY && info->action == FR_ACT_TO_TBL) *(bool *)context = true;
}

static void on_route(const void *bytes, void *context) {
  const struct nlmsghdr *message = bytes;
  const struct rtmsg *info = NLMSG_DATA(message);
  if (message->nlmsg_type != RTM_NEWROUTE || info->rtm_type != RTN_LOCAL || info->rtm_dst_len != 0) return;
  uint32_t table = info->rtm_table, out_interface = 0;
  int left = (int)RTM_PAYLOAD(message);
  for (const struct rtattr *attribute = RTM_RTA(info); RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type == RTA_TABLE) table = number(attribute);
    if (attribute->rta_type == RTA_OIF) out_interface = number(attribute);
  }
  if (table == RETURN_TABLE && out_interface == LOOPBACK_INDEX) *(bool *)context = true;
}

int look_at_return_path(int family, bool *has_rule, bool *has_route) {
  *has_rule = *has_route = false;
  struct {
    struct nlmsghdr header;
    struct rtmsg body;
  } request = {.header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_GETRULE, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}, .body = {.rtm_family = (unsigned char)family}};
  int result = netlink_ask(NETLINK_ROUTE, &request, on_rule, has_rule);
  if (result < 0) return result;
  request.header.nlmsg_type = RTM_GETROUTE;
  return netlink_ask(NETLINK_ROUTE, &request, on_route, has_route);
}

static void put_number(struct nlmsghdr *header, unsigned short type, uint32_t value) {
  struct rtattr *attribute = (struct rtattr *)((char *)header + NLMSG_ALIGN(header->nlmsg_len));
  attribute->rta_type = type;
  attribute->rta_len = RTA_LENGTH(sizeof value);
  memcpy(RTA_DATA(attribute), &value, sizeof value);
  header->nlmsg_len = NLMSG_ALIGN(header->nlmsg_len) + RTA_ALIGN(attribute->rta_len);
}

int install_return_path(int family) {
  struct {
    struct nlmsghdr header;
    struct fib_rule_hdr body;
    char attributes[128];
  } rule = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof rule.body), .nlmsg_type = RTM_NEWRULE, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL},
            .body = {.family = (unsigned char)family, .table = RETURN_TABLE, .action = FR_ACT_TO_TBL}};
  put_number(&rule.header, FRA_FWMARK, CONNECTION_MARK);
  put_number(&rule.header, FRA_FWMASK, MARK_MASK);
  put_number(&rule.header, FRA_PRIORITY, RETURN_PRIORITY);
  int result = netlink_ask(NETLINK_ROUTE, &rule, NULL, NULL);
  if (result < 0 && result != -EEXIST) return result;
  struct {
    struct nlmsghdr header;
    struct rtmsg body;
    char attributes[64];
  } route = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof route.body), .nlmsg_type = RTM_NEWROUTE, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE},
             .body = {.rtm_family = (unsigned char)family, .rtm_table = RETURN_TABLE, .rtm_protocol = RTPROT_BOOT, .rtm_scope = RT_SCOPE_HOST, .rtm_type = RTN_LOCAL}};
  put_number(&route.header, RTA_OIF, LOOPBACK_INDEX);
  return netlink_ask(NETLINK_ROUTE, &route, NULL, NULL);
}
