// One JSON object a line on standard error.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "config/deployment.h"

namespace weir {

// Field and value; a value is text.
using LogFields = std::initializer_list<std::pair<std::string_view, std::string>>;

// debug: per turn. info: start, assignment, drain. warning: recovered by itself, look here first.
// error: needs a person. Any thread.
class Log {
 public:
  static constexpr std::size_t kOnceMax = 100;

  // An empty `instance`: lines have none.
  Log(const std::string& deployment, config::LogLevel least, const std::string& instance = "");

  void debug(std::string_view what, LogFields fields = {}) const;
  void info(std::string_view what, LogFields fields = {}) const;
  // As info(), but each `value` once, and no more than kOnceMax of them; the last says so.
  void info_once(std::string_view what, std::string_view field, const std::string& value) const;
  void warning(std::string_view what, LogFields fields = {}) const;
  void error(std::string_view what, LogFields fields = {}) const;

 private:
  void write(config::LogLevel level, std::string_view what, LogFields fields) const;

  std::string whose_;  // as fields of a line
  config::LogLevel least_;
  mutable std::mutex mutex_;
  mutable std::set<std::string> said_once_;
};

}  // namespace weir
