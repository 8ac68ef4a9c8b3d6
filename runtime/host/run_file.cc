#include "host/run_file.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <iterator>
#include <tuple>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "host/command_line.h"
#include "host/json_struct.h"
#include "http/escape.h"

namespace weir {

namespace {

namespace fs = std::filesystem;

std::optional<RunEntry> parse(const std::string& json) {
  const auto run = parse_json(json);
  if (!run) {
    return std::nullopt;
  }
  RunEntry entry{.deployment = field(*run, "deployment").string_value(),
                 .version = static_cast<int>(field(*run, "version").number_value()),
                 .instance = field(*run, "instance").string_value(),
                 .pid = static_cast<std::int64_t>(field(*run, "pid").number_value()),
                 .address = field(*run, "http").string_value()};
  if (const auto& failure = field(*run, "failure"); failure.has_struct_value()) {
    const auto& why = failure.struct_value();
    entry.failure = {field(why, "at").string_value(),
                     static_cast<int>(field(why, "exit_code").number_value()),
                     field(why, "reason").string_value()};
  }
  return entry;
}

std::string json_of(const RunEntry& entry) {
  return fmt::format(
      R"({{"deployment": {}, "version": {}, "instance": {}, "pid": {}, "http": {}, "failure": {}}})"
      "\n",
      json_string(entry.deployment), entry.version, json_string(entry.instance), entry.pid,
      json_string(entry.address), failure_json(entry));
}

}  // namespace

std::string failure_json(const RunEntry& entry) {
  return entry.failure ? fmt::format(R"({{"at": {}, "exit_code": {}, "reason": {}}})",
                                     json_string(entry.failure->at), entry.failure->exit_code,
                                     json_string(entry.failure->reason))
                       : "null";
}

bool RunEntry::is_gone() const {
  return !failure && pid != 0 && ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH;
}

std::vector<RunEntry> read_run_files(const fs::path& state) {
  std::vector<RunEntry> all;
  std::error_code failed;
  for (fs::directory_iterator i(state / "run", failed), end; !failed && i != end;
       i.increment(failed)) {
    std::ifstream in(i->path());
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (i->path().extension() != ".json") {
      continue;
    }
    if (std::optional<RunEntry> entry = parse(text)) {
      all.push_back(std::move(*entry));
    }
  }
  std::sort(all.begin(), all.end(), [](const RunEntry& a, const RunEntry& b) {
    return std::tie(a.deployment, a.version, a.instance) <
           std::tie(b.deployment, b.version, b.instance);
  });
  return all;
}

RunFile::RunFile(const config::Deployment& deployment)
    : state_(deployment.state),
      self_{.deployment = deployment.id,
            .version = deployment.version,
            .instance = deployment.instance,
            .pid = ::getpid()} {}

void RunFile::started(const std::string& address) const {
  for (const RunEntry& other : read_run_files(state_)) {
    if (other.deployment == self_.deployment && other.instance == self_.instance &&
        (other.failure || other.is_gone())) {
      std::error_code failed;
      fs::remove(path(other.version), failed);
    }
  }
  RunEntry entry = self_;
  entry.address = address;
  write(entry);
}

void RunFile::failed(const Status& why) const {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  RunEntry entry = self_;
  entry.failure = {fmt::format("{:%Y-%m-%dT%H:%M:%S}Z", now), static_cast<int>(exit_code_of(why)),
                   why.message()};
  write(entry);
}

void RunFile::ended_well() const {
  std::error_code failed;
  fs::remove(path(self_.version), failed);
}

fs::path RunFile::path(int version) const {
  return state_ / "run" / fmt::format("{}.v{}-{}.json", self_.deployment, version, self_.instance);
}

// Whole or not at all, whoever reads meanwhile.
void RunFile::write(const RunEntry& entry) const {
  const fs::path file = path(entry.version);
  const fs::path unfinished = fs::path(file) += ".new";
  std::error_code failed;
  fs::create_directories(file.parent_path(), failed);
  std::ofstream out(unfinished);
  out << json_of(entry);
  out.close();
  if (out.good()) {
    fs::rename(unfinished, file, failed);
  }
}

}  // namespace weir
