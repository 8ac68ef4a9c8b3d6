// Stages for the tests of config/: one of each kind that a file must fit.
#pragma once

#include <cstdint>
#include <string>

#include "comments/v1/comment.pb.h"

#include "config/deployment.h"

namespace weir::config::testing {

// A compiled input, an annotated output, a key in code, options of all types.
struct Spam : Stage {
  struct Options {
    std::string model = "spam.weights";
    double threshold = 0.5;
    std::int32_t batch_records_max = 2000;
    bool is_strict = false;
    std::string api_secret = "none";
  };

  explicit Spam(const Options&) {}

  DedupKey dedup_key(const Record&) const override { return {}; }

  void process(const Record&, Out&) override {}
};

// Everything open: the YAML names the message and the key.
struct Ingest : Stage {
  void process(const Record&, Out&) override {}
};

inline StageSpec spam_spec() {
  using O = Spam::Options;
  StageSpec spec = StageSpec::of<Spam>("spam", "Annotates comments.");
  spec.input<comments::v1::Comment>("comments", "Comments to judge.")
      .annotated_output<comments::v1::Comment, comments::v1::SpamVerdict>("classified", "Judged.")
      .option<O>("model", &O::model, "File of the weights.")
      .option<O>("threshold", &O::threshold, "Spam at or above.", {0.0, 1.0})
      .option<O>("batch_records_max", &O::batch_records_max, "Scored together.", {1, 2000})
      .option<O>("is_strict", &O::is_strict, "Refuse odd text.")
      .option<O>("api_secret", &O::api_secret, "For the tests of masking.");
  return spec;
}

inline StageSpec ingest_spec() {
  StageSpec spec = StageSpec::of<Ingest>("ingest", "JSON to protobuf.");
  spec.input("events", "What comes in.").output("events", "What goes out.");
  return spec;
}

}  // namespace weir::config::testing
