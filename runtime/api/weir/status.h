// What can go wrong, said as what to do next.
#pragma once

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weir {

// The caller's only real question about an error.
enum class Remedy {
  retry,        // nothing happened yet; the same call may succeed later
  abort,        // abort the transaction, rewind to the committed offsets, go on
  recreate,     // the producer is unusable or its last outcome unknown: a new one, then rewind
  rejoin,       // the consumer is unusable: a new one joins the group again
  restore,      // local state is unusable: wipe it and rebuild it from the log
  dead_letter,  // this record alone is at fault: set it aside with its reason
  stop,         // only a person can decide; the exit code says which kind
};

std::string_view name_of(Remedy remedy);

// Process exit codes: a contract with scripts and supervisors (BSD sysexits).
enum class ExitCode : int {
  ok = 0,
  failed = 1,         // a test or check failed
  usage = 64,         // command line
  bad_input = 65,     // bad input, or a violation found
  unavailable = 69,   // broker unreachable past the deadline
  broken = 70,        // an invariant is broken
  disk = 74,          // disk i/o, full, or corruption
  temporary = 75,     // try again later
  unauthorised = 77,  // authentication or authorisation
  config = 78,        // configuration
};

// Success, or a remedy with a message. The message names the thing, the value, the place and the
// way out; it is shown to people as it is. Cheap to return on success (one null pointer); values
// may be copied and used on any thread.
class [[nodiscard]] Status {
 public:
  Status() = default;

  static Status ok();
  static Status retry(std::string message);
  static Status abort(std::string message);
  static Status restore(std::string message);
  // `reason` is a word of a small set, for metrics (and a dead letter's `weir-reason` header).
  static Status recreate(std::string_view reason, std::string message);
  static Status rejoin(std::string_view reason, std::string message);
  static Status dead_letter(std::string_view reason, std::string message);
  static Status stop(ExitCode exit_code, std::string message);

  bool is_ok() const { return failure_ == nullptr; }

  // The four below require !is_ok(); exit_code also remedy() == stop, reason also one of the three
  // that have one.
  Remedy remedy() const;
  const std::string& message() const;
  ExitCode exit_code() const;
  const std::string& reason() const;

  // The same failure with "`context`: " before its message.
  Status within(std::string_view context) const;

 private:
  struct Failure {
    Remedy remedy;
    std::string message;
    std::string reason;
    ExitCode exit_code = ExitCode::ok;
  };

  explicit Status(Failure failure);

  std::shared_ptr<const Failure> failure_;
};

// A value, or the status that says why there is none. Never holds an ok status.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)

  Result(Status failure) : failure_(std::move(failure)) {  // NOLINT(google-explicit-constructor)
    if (failure_.is_ok()) {
      std::abort();
    }
  }

  bool is_ok() const { return value_.has_value(); }

  const Status& status() const { return failure_; }

  T& value() & { return value_.value(); }

  const T& value() const& { return value_.value(); }

  T&& value() && { return std::move(value_).value(); }

 private:
  std::optional<T> value_;
  Status failure_;
};

// A bug, not an error: prints the place and aborts the process. On in release builds.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace weir

#define WEIR_ASSERT(expression)                                  \
  do {                                                           \
    if (!(expression)) {                                         \
      ::weir::assertion_failed(#expression, __FILE__, __LINE__); \
    }                                                            \
  } while (false)

// Returns the failure of `expression` to the caller, if it failed.
#define WEIR_TRY(expression)                                                       \
  do {                                                                             \
    if (::weir::Status weir_try_status = (expression); !weir_try_status.is_ok()) { \
      return weir_try_status;                                                      \
    }                                                                              \
  } while (false)

#define WEIR_TRY_CONCAT_(a, b) a##b
#define WEIR_TRY_CONCAT(a, b) WEIR_TRY_CONCAT_(a, b)
#define WEIR_TRY_ASSIGN_(tmp, target, expression) \
  auto tmp = (expression);                        \
  if (!tmp.is_ok()) {                             \
    return tmp.status();                          \
  }                                               \
  target = std::move(tmp).value()

// `target` (a declaration or an lvalue) = the value of `expression`, or returns its failure.
#define WEIR_TRY_ASSIGN(target, expression) \
  WEIR_TRY_ASSIGN_(WEIR_TRY_CONCAT(weir_try_result_, __LINE__), target, expression)
