// What programs of one host leave for each other: which processes of deployments run here, where
// they answer, and which ended themselves with an error. Programs of other versions read and write
// them, too: what a reader doesn't know it ignores, what it misses is empty.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/deployment.h"
#include "weir/status.h"

namespace weir {

struct RunEntry {
  struct Failure {
    std::string at;     // RFC 3339
    int exit_code = 0;  // 0: it couldn't say, as it went without a word
    std::string reason;
  };

  // Starts in a row of which none worked for long enough: what a supervisor makes of a fault. This
  // one is the last of them, once it has failed.
  struct CrashLoop {
    int starts = 0;
    Failure first;
    Failure last;
  };

  std::string deployment;
  int version = 0;  // 0: not known, as below
  std::string instance;
  std::int64_t pid = 0;
  std::string address{};                  // HOST:PORT of its endpoint; empty: it serves none
  std::optional<Failure> failure{};       // it ended itself with this
  std::optional<CrashLoop> crash_loop{};  // that its failure, or else its start, is part of
  bool is_new = false;                    // it hasn't worked for long enough to be part of none
  // For a shell: what started it, with its version, which the YAML may no longer have; of one that
  // failed without, for to raise that is often the mend.
  std::string command{};
  std::vector<std::string> variables{};  // of the environment, that its settings came from: names
  std::optional<std::chrono::system_clock::time_point> seen{};  // when it last showed that it lives
  std::filesystem::path file{};                                 // that holds this entry
  // What it had to say then couldn't be written, most likely for want of room: a start, or its end.
  // Of a start, what an entry says besides who it is, is not known.
  bool is_cut_short = false;

  // Its process is no more, and couldn't say why: its pid is nobody's, or it is unseen, and nobody
  // holds its lock. A pid alone proves no life: in containers all stages have the same.
  bool is_gone() const;

  // It hasn't been seen for several times RunFile::kSeenEvery.
  bool is_unseen() const;

  // SIGSTOP, or a debugger, keeps the process of this pid from running.
  bool is_stopped() const;

  // By whom the lock of its instance is held, in words; nullopt: nobody, or it can't be asked. A
  // start that comes while this asks finds the lock held.
  std::optional<std::string> held_lock() const;
};

// As JSON: an object, or null.
std::string json_of(const std::optional<RunEntry::Failure>& failure);
std::string json_of(const std::optional<RunEntry::CrashLoop>& loop);

// At most one live process per deployment, version and instance holds it.
std::filesystem::path lock_file(const config::Deployment& deployment);

// Those that have not ended well, by deployment, version and instance. `state`: the deployments'.
std::vector<RunEntry> read_run_files(const std::filesystem::path& state);

// The entry of this process: <state>/run/<deployment>.v<version>-<instance>.json. Its caller holds
// the instance's lock, so that nobody else's is overwritten; or knows no version, which no process
// that runs has; or says that it holds none. A directory that can't be written is no failure: then
// others don't see the process.
class RunFile {
 public:
  static constexpr std::chrono::seconds kSeenEvery{5};
  // One that fails sooner fails still for what those before it failed for, perhaps: a lane may be
  // ready until it meets a fault in its input, and others beside it commit.
  static constexpr std::chrono::seconds kWorksAfter{60};

  explicit RunFile(const config::Deployment& deployment);

  // This and failed() take the place of what the instance left behind: entries that failed, in this
  // version or an earlier one, or in any where this one isn't known, and that of this version. A
  // later one that failed is a replay beside this one, perhaps; another version that is gone was a
  // live one, beside which this one may be the replay. False: it can't be written; alive() tries
  // again.
  bool started(const std::string& address);

  // Sets `seen` to now; to be called every kSeenEvery. A process that was ready at each call for
  // kWorksAfter works: the crash loop has ended.
  void alive(bool is_ready,
             std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now());

  // Stays until the next start, which is part of its crash loop.
  void failed(const Status& why);

  // As failed(), for one that the instance's lock is not given to; nothing where the entry is of a
  // process that lives.
  void failed_without_lock(const Status& why);

  void ended_well() const;

 private:
  std::filesystem::path path(int version) const;
  std::filesystem::path unfinished(int version) const;
  void remove(int version) const;
  bool write(const RunEntry& entry) const;
  std::optional<RunEntry::CrashLoop> take_over_others() const;

  const std::filesystem::path state_;
  const RunEntry self_;
  const std::string command_of_version_;
  std::optional<RunEntry> started_;  // the entry since the start
  bool is_written_ = false;          // as it is
  std::optional<std::chrono::steady_clock::time_point> ready_since_;
};

}  // namespace weir
