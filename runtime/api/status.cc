#include "weir/status.h"

#include <cstdio>

namespace weir {

std::string_view name_of(Remedy remedy) {
  switch (remedy) {
    case Remedy::retry:
      return "retry";
    case Remedy::abort:
      return "abort";
    case Remedy::recreate:
      return "recreate";
    case Remedy::rejoin:
      return "rejoin";
    case Remedy::restore:
      return "restore";
    case Remedy::dead_letter:
      return "dead_letter";
    case Remedy::stop:
      return "stop";
  }
  WEIR_ASSERT(false);
}

Status::Status(Failure failure) : failure_(std::make_shared<const Failure>(std::move(failure))) {}

Status Status::ok() {
  return {};
}

Status Status::retry(std::string message) {
  return Status({.remedy = Remedy::retry, .message = std::move(message), .reason = {}});
}

Status Status::abort(std::string message) {
  return Status({.remedy = Remedy::abort, .message = std::move(message), .reason = {}});
}

Status Status::recreate(std::string_view reason, std::string message) {
  return Status(
      {.remedy = Remedy::recreate, .message = std::move(message), .reason = std::string(reason)});
}

Status Status::rejoin(std::string_view reason, std::string message) {
  return Status(
      {.remedy = Remedy::rejoin, .message = std::move(message), .reason = std::string(reason)});
}

Status Status::restore(std::string message) {
  return Status({.remedy = Remedy::restore, .message = std::move(message), .reason = {}});
}

Status Status::dead_letter(std::string_view reason, std::string message) {
  return Status({.remedy = Remedy::dead_letter,
                 .message = std::move(message),
                 .reason = std::string(reason)});
}

Status Status::stop(ExitCode exit_code, std::string message) {
  return Status({.remedy = Remedy::stop,
                 .message = std::move(message),
                 .reason = {},
                 .exit_code = exit_code});
}

Remedy Status::remedy() const {
  WEIR_ASSERT(!is_ok());
  return failure_->remedy;
}

const std::string& Status::message() const {
  WEIR_ASSERT(!is_ok());
  return failure_->message;
}

ExitCode Status::exit_code() const {
  WEIR_ASSERT(!is_ok() && failure_->remedy == Remedy::stop);
  return failure_->exit_code;
}

const std::string& Status::reason() const {
  WEIR_ASSERT(!is_ok() && !failure_->reason.empty());
  return failure_->reason;
}

Status Status::within(std::string_view context) const {
  WEIR_ASSERT(!is_ok());
  Failure failure = *failure_;
  failure.message = std::string(context) + ": " + failure.message;
  return Status(std::move(failure));
}

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
  std::abort();
}

}  // namespace weir
