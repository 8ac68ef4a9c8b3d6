// weir produce: the lines of a file as the records of a topic.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "http/escape.h"
#include "kafka/producer.h"
#include "kafka/topic_guard.h"
#include "text/words.h"
#include "tool/checkpoint.h"
#include "tool/key_text.h"
#include "tool/lines.h"
#include "tool/progress.h"
#include "tool/reach.h"
#include "tool/verbs.h"

namespace weir {

namespace {

using std::chrono::steady_clock;

// So many lines, or so much of them, may come before the first that has a key.
constexpr std::size_t kHeldLinesMax = 1'000;
constexpr std::size_t kHeldBytesMax = LineReader::kLineBytesMax;

struct ProduceOptions {
  std::string topic;
  std::vector<std::string> key;
  std::string file;
  bool follow = false;
  std::string state = "state";
  Reach reach;
  std::string output = "text";
};

class Production {
 public:
  Production(const ProduceOptions& options, ClusterSettings cluster)
      : options_(options),
        cluster_(std::move(cluster)),
        checkpoint_file_(std::filesystem::path(options.state) / "produce", options.topic,
                         options.file),
        topics_(cluster_),
        producer_({cluster_, options.topic}),
        progress_("lines") {}

  Status run() {
    Result<KeyText> key = KeyText::of(options_.key, LineReader::kLineBytesMax);
    if (!key.is_ok()) {
      return key.status().within("--key");
    }
    LineReader::Settings reading{options_.file, options_.follow, std::nullopt};
    reading.warn = [](const std::string& text) { fmt::print(stderr, "{}\n", text); };
    WEIR_TRY(open());
    WEIR_TRY(find_checkpoint(reading));
    WEIR_TRY_ASSIGN(const std::unique_ptr<LineReader> lines, LineReader::open(reading));
    if (lines->has_resumed()) {
      fmt::print(stderr,
                 "going on where an earlier run was cut off ({}); what that one had under way may "
                 "come twice\n",
                 checkpoint_file_.path().string());
    }
    // Where nothing was sent yet, --key may still be a slip.
    has_seen_key_ = lines->has_resumed() && reading.from->offset > 0;
    if (is_resumable() && options_.follow) {
      // What is rotated away before a line was sent is found again by it.
      reached_ = lines->place();
      WEIR_TRY(save());
    }
    Status done = copy(*lines, key.value());
    too_long_ = lines->too_long();
    if (done.is_ok() && is_resumable() && !options_.follow) {
      checkpoint_file_.remove();
      return done;
    }
    // What is written need not be sent again.
    const Status saved = save();
    return done.is_ok() ? saved : done;
  }

  Status conclude() const {
    const double seconds = progress_.elapsed().count();
    if (options_.output == "json") {
      fmt::print(R"({{"topic": {}, "sent": {}, "without_key": {}, "empty": {}, "refused": {}, )"
                 R"("seconds": {:.3f}}})"
                 "\n",
                 json_string(options_.topic), producer_.sent() - refused_, without_key_, empty_,
                 refused_ + too_long_, seconds);
    } else {
      fmt::print("{}: {} lines sent in {:.1f} s, {} without key, {} empty, {} refused\n",
                 options_.topic, grouped(producer_.sent() - refused_), seconds,
                 grouped(without_key_), grouped(empty_), grouped(refused_ + too_long_));
    }
    if (refused_ + too_long_ > 0) {
      return Status::stop(ExitCode::bad_input,
                          fmt::format("{} lines are not in the topic: too long for it, or refused",
                                      refused_ + too_long_));
    }
    return Status::ok();
  }

 private:
  struct Sent {
    std::uint64_t count;  // records sent when this one was
    LinePlace behind;
  };

  struct Held {
    std::string line;
    std::optional<LinePlace> behind;
  };

  Status open() {
    Status opened = until_answered(options_.reach, cluster_, [&] { return producer_.open(); });
    if (!producer_.is_topic_missing()) {
      return opened;
    }
    KafkaAdmin admin(cluster_);
    return Status::stop(ExitCode::config,
                        opened.message() + topic_suggestion(admin, options_.topic, false));
  }

  bool is_resumable() const { return options_.file != "-"; }

  Status find_checkpoint(LineReader::Settings& reading) {
    if (!is_resumable()) {
      return Status::ok();
    }
    WEIR_TRY_ASSIGN(const TopicId id, until_answered(options_.reach, cluster_, [&] {
                      return topics_.topic_id(options_.topic);
                    }));
    topic_id_ =
        id.topic_id.empty() ? kUnknownTopic : fmt::format("{}/{}", id.cluster_id, id.topic_id);
    const std::optional<FilePosition> found = checkpoint_file_.read();
    if (found && (found->topic_id == topic_id_ || found->topic_id == kUnknownTopic ||
                  topic_id_ == kUnknownTopic)) {
      reading.from = found->place;
    } else if (found) {
      fmt::print(stderr,
                 "topic {} is not the one of an earlier run that was cut off: beginning "
                 "anew\n",
                 options_.topic);
    } else if (checkpoint_file_.is_there()) {
      fmt::print(stderr,
                 "{} can't be read, and with it how far an earlier run was: beginning "
                 "anew\n",
                 checkpoint_file_.path().string());
    }
    return Status::ok();
  }

  Status copy(LineReader& lines, KeyText& key) {
    while (!Interrupt::was_asked()) {
      WEIR_TRY_ASSIGN(const auto line, lines.next());
      if (!line && lines.has_ended()) {
        WEIR_TRY(refuse_held());
        return drain();
      }
      if (line && line->empty()) {
        ++empty_;
      } else if (line) {
        WEIR_TRY(take(*line, key.read(*line),
                      is_resumable() ? std::optional(lines.place()) : std::nullopt));
      }
      WEIR_TRY(producer_.serve());
      progress_.show(producer_.sent(), lines.share());
      WEIR_TRY(keep_up());
    }
    if (options_.follow || !is_resumable()) {
      WEIR_TRY(refuse_held());
      return drain();  // told to end, it has done what there was to do
    }
    return Status::stop(ExitCode::temporary,
                        fmt::format("interrupted after {} lines; the same command goes on from "
                                    "there",
                                    producer_.settled()));
  }

  // Holds lines back until one has a key: where none has, --key is a slip, and what was sent
  // without keys can't be taken back.
  Status take(std::string_view line, const std::optional<std::string>& key,
              const std::optional<LinePlace>& behind) {
    if (!key && !has_seen_key_) {
      held_.push_back({std::string(line), behind});
      held_bytes_ += line.size();
      return held_.size() < kHeldLinesMax && held_bytes_ < kHeldBytesMax ? Status::ok()
                                                                         : refuse_held();
    }
    has_seen_key_ = true;
    for (const Held& held : std::exchange(held_, {})) {
      WEIR_TRY(send(held.line, std::nullopt, held.behind));
    }
    return send(line, key, behind);
  }

  // Ok where nothing is held.
  Status refuse_held() const {
    if (held_.empty()) {
      return Status::ok();
    }
    const std::vector<std::string> fields = KeyText::fields_of(held_.front().line);
    const auto is_there = [&fields](const std::string& field) {
      return std::find(fields.begin(), fields.end(), field) != fields.end();
    };
    const auto missing = std::find_if_not(options_.key.begin(), options_.key.end(), is_there);
    const std::string& named = missing == options_.key.end() ? options_.key.front() : *missing;
    return Status::stop(
        ExitCode::bad_input,
        fmt::format("nothing was sent: none of the first {} lines has a key in its field {}{}",
                    grouped(held_.size()), quote(named),
                    fields.empty()                  ? "; the first one is no JSON object"
                    : missing == options_.key.end() ? ""
                                                    : suggestion(named, fields)));
  }

  Status send(std::string_view line, const std::optional<std::string>& key,
              const std::optional<LinePlace>& behind) {
    without_key_ += key ? 0 : 1;
    auto began = steady_clock::now();
    while (true) {
      Status sent = producer_.send(key, line);
      if (!sent.is_ok() && sent.remedy() == Remedy::retry) {
        WEIR_TRY(wait_on(sent, began));
        continue;
      }
      if (sent.is_ok() && behind) {
        sent_.push_back({producer_.sent(), *behind});
      }
      return sent;
    }
  }

  // Until everything is settled.
  Status drain() {
    auto began = steady_clock::now();
    for (std::uint64_t settled = producer_.settled();; settled = producer_.settled()) {
      Status flushed = producer_.flush();
      WEIR_TRY(note_refused());
      if (flushed.is_ok() || flushed.remedy() != Remedy::retry) {
        return flushed;
      }
      if (producer_.settled() > settled) {
        began = steady_clock::now();
      }
      WEIR_TRY(wait_on(flushed, began));
    }
  }

  // The broker takes nothing since `began`: a follower has time, everybody else so much.
  Status wait_on(const Status& why, steady_clock::time_point began) {
    WEIR_TRY(keep_up());
    progress_.show(producer_.sent(), std::nullopt);
    if (Interrupt::was_asked()) {
      return Status::stop(ExitCode::temporary, "interrupted: " + why.message());
    }
    const bool is_too_long =
        steady_clock::now() - began > std::chrono::seconds(options_.reach.silence_s_max);
    return is_too_long && !options_.follow
               ? unreachable(cluster_, why, options_.reach.silence_s_max)
               : Status::ok();
  }

  // Once a second: what was refused, and how far it is.
  Status keep_up() {
    if (steady_clock::now() - kept_up_ < std::chrono::seconds(1)) {
      return Status::ok();
    }
    kept_up_ = steady_clock::now();
    WEIR_TRY(note_refused());
    return save();
  }

  Status note_refused() {
    constexpr std::uint64_t kShownMax = 10;  // each minute, as a follower may run for months
    if (steady_clock::now() - shown_since_ > std::chrono::minutes(1)) {
      shown_since_ = steady_clock::now();
      shown_ = 0;
    }
    for (const KafkaProducer::Refused& refused : producer_.take_refused()) {
      ++refused_;
      if (++shown_ <= kShownMax) {
        fmt::print(stderr, "record {} of this run was refused: {}\n", refused.number + 1,
                   refused.message);
      } else if (shown_ == kShownMax + 1) {
        fmt::print(stderr, "more records are refused: not named for a minute, but counted\n");
      }
    }
    return Status::ok();
  }

  Status save() {
    const std::uint64_t settled = producer_.settled();
    for (; !sent_.empty() && sent_.front().count <= settled; sent_.pop_front()) {
      reached_ = sent_.front().behind;
    }
    return reached_ ? checkpoint_file_.write({topic_id_, *reached_}) : Status::ok();
  }

  const ProduceOptions& options_;
  const ClusterSettings cluster_;
  const CheckpointFile checkpoint_file_;
  TopicGuard topics_;
  KafkaProducer producer_;
  Progress progress_;
  std::string topic_id_;
  std::deque<Sent> sent_;  // what may not be settled yet
  std::optional<LinePlace> reached_;
  bool has_seen_key_ = false;
  std::vector<Held> held_;
  std::size_t held_bytes_ = 0;
  steady_clock::time_point kept_up_ = steady_clock::now();
  std::uint64_t without_key_ = 0;
  std::uint64_t empty_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t shown_ = 0;  // of them, since
  steady_clock::time_point shown_since_ = steady_clock::now();
  std::uint64_t too_long_ = 0;
};

Status produce(const ProduceOptions& options) {
  WEIR_TRY(check_topic_name(options.topic));
  WEIR_TRY_ASSIGN(ClusterSettings cluster, cluster_of(options.reach));
  cluster.client_id = "weir-produce";
  const Interrupt interrupt;
  Production production(options, std::move(cluster));
  WEIR_TRY(production.run());
  return production.conclude();
}

}  // namespace

void add_produce(CLI::App& app, Status& done) {
  CLI::App* command =
      app.add_subcommand("produce", "Put the lines of a file into a topic, one record each");
  command->footer(
      "Lines are sent as they are: what is wrong with one is for the stage to say. A line without\n"
      "the key's fields has no key; it is counted, and lands on any partition. Where none of the\n"
      "first 1,000 has a key, nothing is sent. Empty lines are left out.\n"
      "\n"
      "Within a run every line is written once. A run that was killed is gone on with by the same\n"
      "command, from what is in DIR/produce; the lines that were under way then come twice, and\n"
      "a stage with dedup drops them. A run that came to its end leaves nothing there: the same\n"
      "command then sends the file again.\n"
      "\n"
      "--follow reads a file that was rotated away to its end, then those that were rotated away\n"
      "after it, by their times of modification, then the new one once it has bytes; it does so,\n"
      "too, with what happened while it was behind or not running. They lie beside FILE, plain or\n"
      "as .gz, under its name with a number or a date behind it or before its extension (.1,\n"
      "-20261129); what lay there when it was first started isn't read. One that was touched,\n"
      "compressed with a time of its own, or written while it wasn't running may come twice. "
      "Where\n"
      "one can't be decompressed, it ends with 65 and names it. Once the new file has bytes, all "
      "who write must have moved on to it:\n"
      "what is still appended to the old one is warned of, and not read. A file that was "
      "truncated\n"
      "is read from its beginning: what it lost before it was read is not in the topic.");
  const auto options = std::make_shared<ProduceOptions>();
  command->add_option("--topic", options->topic, "Where to")->required();
  command->add_option("--key", options->key, "Fields whose texts, joined by commas, are the key")
      ->required()
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("FILE", options->file,
                   "One JSON object a line; plain or .gz; - is standard input")
      ->required();
  command->add_flag("--follow", options->follow, "Wait for more at the end, until SIGTERM");
  command
      ->add_option("--state", options->state,
                   "Where a run keeps how far it is (WEIR__STATE, or else state)")
      ->envname("WEIR__STATE");
  command->add_option("--output", options->output, "text, or json")
      ->check(CLI::IsMember({"text", "json"}));
  add_options(*command, options->reach);
  command->callback([options, &done] { done = produce(*options); });
}

}  // namespace weir
