// Annotates every comment with what a trained model thinks of it. Filters nothing: what to do about
// spam is for those who read.
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "comments/v1/comment.pb.h"

#include "model/score.h"
#include <weir/stage.h>

namespace stages::spam {

using comments::v1::Comment;
using comments::v1::SpamVerdict;

namespace {

// Raised when the verdict on the same comment may change for another reason than the model's file,
// which says its own version in every verdict.
constexpr int kRevision = 1;

// The start of the digest that a verdict carries: enough to tell trainings apart.
constexpr std::size_t kDigestDigits = 8;

// Read once per process and shared, so that a lane that starts later, after somebody replaced the
// file, doesn't judge otherwise than its neighbours.
weir::Model model_of(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, weir::Model> models;
  const std::lock_guard lock(mutex);
  const auto known = models.find(path);
  if (known != models.end()) {
    return known->second;
  }
  weir::Result<weir::Model> loaded = weir::Model::load(path);
  if (!loaded.is_ok()) {
    throw std::runtime_error("option model: " + loaded.status().message());
  }
  return models.emplace(path, std::move(loaded).value()).first->second;
}

}  // namespace

struct Options {
  std::string model = "stages/spam/model/spam.weights";
};

class Spam final : public weir::Stage {
 public:
  using Options = spam::Options;

  explicit Spam(const Options& options) : model_(model_of(options.model)) {
    verdict_.set_model_version(model_.version() + "-" + model_.digest().substr(0, kDigestDigits));
  }

  void process(const weir::Record& record, weir::Out& out) override {
    process_batch(std::span(&record, 1), out);
  }

  void process_batch(std::span<const weir::Record> records, weir::Out& out) override {
    texts_.clear();
    for (const weir::Record& record : records) {
      texts_.push_back(record.message<Comment>().content());
    }
    scores_.resize(records.size());
    model_.score(texts_, scores_);
    for (std::size_t i = 0; i < records.size(); ++i) {
      verdict_.set_class_(scores_[i].spam ? SpamVerdict::CLASS_SPAM
                                          : SpamVerdict::CLASS_LEGITIMATE);
      verdict_.set_spam_per_10000(scores_[i].confidence);
      out.at(records[i]);
      out.annotate("classified", records[i], verdict_);
    }
  }

 private:
  weir::Model model_;
  SpamVerdict verdict_;
  std::vector<std::string_view> texts_;
  std::vector<weir::Score> scores_;
};

weir::StageSpec spec() {
  return weir::StageSpec::of<Spam>("spam", "Annotates every comment: spam or not, and how sure.")
      .input<Comment>("comments", "Comments, each once.")
      .annotated_output<Comment, SpamVerdict>("classified",
                                              "The same comments, each with a verdict.")
      .option("model", &Options::model,
              "File of the trained weights, absolute or relative to the working directory.")
      .revision(kRevision);
}

}  // namespace stages::spam
