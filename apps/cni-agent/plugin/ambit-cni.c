/*
 * The CNI plugin: asks the node agent to bring a new pod into the mesh, and fails the pod's start unless it says yes.
 *
 * Runs last in the chain, once for each sandbox, on the node itself: static, without configuration or connections of its own.
 * The agent decides who belongs to the mesh; this passes the request on and hands back what the plugins before it answered.
 * While the agent is away no pod starts, except in excluded namespaces and the agent's own: outside of the mesh unnoticed
 * is worse than late. The runtime tries again. DEL and CHECK have nothing to do: the agent sees pods end by itself.
 * Spec: CNI specification 1.1; data-plane contract 4.2, 4.3.
 */
#include "ambit-cni.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_SECONDS 5
enum { CODE_BAD_ENVIRONMENT = 4, CODE_BAD_CONFIG = 7, CODE_TRY_AGAIN = 11 };

static int fail(const char *version, int code, const char *message, const char *details) {
  printf("{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"ambit-cni: %s\",\"details\":\"", version, code, message);
  for (; *details; details++) {
    if (*details == '"' || *details == '\\') printf("\\%c", *details);
    else if ((unsigned char)*details >= 0x20) putchar(*details);
    else putchar(' ');
  }
  printf("\"}\n");
  return 1;
}

/* Returns the length, or -1 when the input is longer than the buffer or cannot be read. */
static ssize_t read_all(int fd, char *out, size_t size) {
  size_t length = 0;
  for (;;) {
    if (length == size) return -1;
    ssize_t count = read(fd, out + length, size - length);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) return (ssize_t)length;
    length += (size_t)count;
  }
}

static long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Sends the request and waits for all of the answer (HTTP/1.0, so that it comes in one piece). Returns NULL, or what went wrong. */
static const char *exchange(const struct request *request, char *answer, size_t size) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  static char head[256];
  snprintf(address.sun_path, sizeof address.sun_path, "%s", request->socket_path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return strerror(errno);
  struct timeval limit = {.tv_sec = ANSWER_SECONDS};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) return strerror(errno);
  size_t body_length = strlen(request->body);
  int head_length = snprintf(head, sizeof head, "POST /cmdadd HTTP/1.0\r\nHost: agent\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", body_length);
  if (send(fd, head, (size_t)head_length, MSG_NOSIGNAL) != head_length) return "the request could not be sent";
  if (send(fd, request->body, body_length, MSG_NOSIGNAL) != (ssize_t)body_length) return "the request could not be sent";
  long end_ms = now_ms() + ANSWER_SECONDS * 1000L;
  size_t length = 0;
  while (length < size - 1) {
    long left_ms = end_ms - now_ms();
    if (left_ms <= 0) return "no answer in time";
    struct timeval wait = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000 + 1};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    ssize_t count = recv(fd, answer + length, size - 1 - length, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN ? "no answer in time" : strerror(errno);
    if (count == 0) break;
    length += (size_t)count;
  }
  answer[length] = 0;
  close(fd);
  return NULL;
}

static int add(void) {
  static char config[MAX_CONFIG_BYTES], answer[8192];
  static struct request request;
  ssize_t length = read_all(STDIN_FILENO, config, sizeof config);
  if (length < 0) return fail("0.3.1", CODE_BAD_CONFIG, "the configuration cannot be read or is too long", "");
  struct environment environment = {getenv("CNI_ARGS"), getenv("CNI_NETNS"), getenv("CNI_CONTAINERID")};
  plan_add(config, (size_t)length, &environment, &request);
  if (request.verdict == REFUSE) return fail(request.version, CODE_BAD_CONFIG, request.reason, "");
  if (request.verdict == ASK_AGENT) {
    const char *problem = exchange(&request, answer, sizeof answer);
    if (problem) return fail(request.version, CODE_TRY_AGAIN, "the Ambit node agent does not answer, so the pod may not start; is the pod ambit-cni-agent on this node running?", problem);
    char *body = strstr(answer, "\r\n\r\n");
    if (!body || strncmp(answer, "HTTP/1.1 200 ", 13) != 0) return fail(request.version, CODE_TRY_AGAIN, "the pod could not be brought into the mesh", body ? body + 4 : "the answer makes no sense");
  }
  if (request.previous_result.at) return fwrite(request.previous_result.at, 1, request.previous_result.length, stdout) == request.previous_result.length && putchar('\n') == '\n' && fflush(stdout) == 0 ? 0 : 1;
  return printf("{\"cniVersion\":\"%s\"}\n", request.version) > 0 && fflush(stdout) == 0 ? 0 : 1;
}

int main(void) {
  const char *command = getenv("CNI_COMMAND");
  if (!command) {
    fprintf(stderr, "ambit-cni is a CNI plugin: a container runtime starts it with CNI_COMMAND in the environment\n");
    return fail("1.1.0", CODE_BAD_ENVIRONMENT, "CNI_COMMAND is not set", "");
  }
  if (strcmp(command, "ADD") == 0) return add();
  if (strcmp(command, "VERSION") == 0) {
    printf("{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n");
    return 0;
  }
  if (strcmp(command, "DEL") == 0 || strcmp(command, "CHECK") == 0 || strcmp(command, "GC") == 0 || strcmp(command, "STATUS") == 0) return 0;
  return fail("1.1.0", CODE_BAD_ENVIRONMENT, "CNI_COMMAND is not known", command);
}
