#include "host/log.h"

#include <unistd.h>

#include <chrono>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "http/escape.h"

namespace weir {

namespace {

std::string_view name_of(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::debug:
      return "debug";
    case config::LogLevel::info:
      return "info";
    case config::LogLevel::warning:
      return "warning";
    case config::LogLevel::error:
      return "error";
  }
  return "";
}

}  // namespace

Log::Log(const std::string& deployment, config::LogLevel least, const std::string& instance)
    : whose_(fmt::format(R"("pid":{},"deployment":{})", ::getpid(), json_string(deployment))),
      least_(least) {
  if (!instance.empty()) {
    whose_ += fmt::format(R"(,"instance":{})", json_string(instance));
  }
}

void Log::debug(std::string_view what, LogFields fields) const {
  write(config::LogLevel::debug, what, fields);
}

void Log::info(std::string_view what, LogFields fields) const {
  write(config::LogLevel::info, what, fields);
}

void Log::info_once(std::string_view what, std::string_view field, const std::string& value) const {
  bool is_last = false;
  {
    const std::lock_guard hold(mutex_);
    if (said_once_.size() >= kOnceMax || !said_once_.insert(value).second) {
      return;
    }
    is_last = said_once_.size() == kOnceMax;
  }
  if (is_last) {
    info(what, {{field, value}, {"note", "the last one that is named; all are counted"}});
  } else {
    info(what, {{field, value}});
  }
}

void Log::warning(std::string_view what, LogFields fields) const {
  write(config::LogLevel::warning, what, fields);
}

void Log::error(std::string_view what, LogFields fields) const {
  write(config::LogLevel::error, what, fields);
}

void Log::write(config::LogLevel level, std::string_view what, LogFields fields) const {
  if (level < least_) {
    return;
  }
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  std::string line = fmt::format(R"({{"time":"{:%Y-%m-%dT%H:%M:%S}Z","level":"{}",{},"what":{})",
                                 now, name_of(level), whose_, json_string(what));
  for (const auto& [name, value] : fields) {
    line += fmt::format(",{}:{}", json_string(name), json_string(value));
  }
  line += "}\n";
  // One write a line, so that lines of several threads and processes don't mix.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace weir
