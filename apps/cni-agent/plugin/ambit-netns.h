/* Reading and preparing a pod's network namespace through the kernel's own interfaces. */
#ifndef AMBIT_NETNS_H
#define AMBIT_NETNS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONNECTION_MARK 0x111u
#define MARK_MASK 0xfffu
#define RETURN_TABLE 100u
#define RETURN_PRIORITY 32764u

struct text {
  char *at;
  size_t used, size;
};
void add_text(struct text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Both work on the namespace the process is in; they return 0 or -errno, and write JSON members without braces. */
int look_at_addresses(struct text *out);
int look_at_listeners(struct text *out);
int look_at_return_path(int family, bool *has_rule, bool *has_route);
/* Changes whenever somebody changes the rules: nftables' generation and, if asked for, a hash of the legacy tables. */
int look_at_generation(bool legacy, struct text *out);
int install_return_path(int family);

/* All tables, chains and rules of nftables, as hexadecimal digits of netlink messages; sets and maps are not among them. */
int look_at_rules(struct text *out);
/* Puts in what `look_at_rules` wrote, all or nothing; nothing when somebody has set a rule here before. */
int put_rules(const char *hex, bool *was_fresh);

/* One netlink request; `on_message` sees each answer. */
int netlink_ask(int protocol, void *request, void (*on_message)(const void *message, void *context), void *context);

#endif
