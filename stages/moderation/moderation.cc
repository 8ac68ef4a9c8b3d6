// Several inputs of different types into several outputs of different types: everything that people
// did, and out of it what a moderator should look at. Both outputs and the positions in both inputs
// become visible in one transaction: there is never an alert whose activity is missing.
#include "comments/v1/comment.pb.h"
#include "edits/v1/edit.pb.h"
#include "moderation/v1/moderation.pb.h"

#include <weir/stage.h>

namespace stages::moderation {

using ::comments::v1::Comment;
using ::edits::v1::Edit;
using ::moderation::v1::Activity;
using ::moderation::v1::Alert;

struct Options {
  std::uint32_t spam_per_10000_min = 9'900;
  std::int64_t deleted_min = 400;
};

class Moderation final : public weir::Stage {
 public:
  using Options = moderation::Options;

  explicit Moderation(const Options& options) : options_(options) {}

  // A record says which input it comes from, and so which type it has.
  void process(const weir::Record& record, weir::Out& out) override {
    Alert alert =
        record.input() == "comments" ? of(record.message<Comment>()) : of(record.message<Edit>());
    alert.mutable_activity()->set_source(std::string(record.input()));
    out.emit("activity", alert.activity());
    if (!alert.why().empty()) {
      out.emit("alerts", alert);
    }
  }

 private:
  Alert of(const Comment& comment) const {
    const bool is_sure = comment.spam().spam_per_10000() >= options_.spam_per_10000_min;
    return of(comment.comment_id(), comment.author(), comment.video(), is_sure ? "spam" : "");
  }

  Alert of(const Edit& edit) const {
    const bool is_removal = edit.is_anonymous() && edit.deleted() >= options_.deleted_min;
    return of(edit.time(), edit.user(), edit.page(), is_removal ? "removal" : "");
  }

  static Alert of(const std::string& id, const std::string& who, const std::string& place,
                  const char* why) {
    Alert alert;
    alert.mutable_activity()->set_id(id);
    alert.mutable_activity()->set_who(who);
    alert.mutable_activity()->set_place(place);
    alert.set_why(why);
    return alert;
  }

  const Options options_;
};

weir::StageSpec spec() {
  return weir::StageSpec::of<Moderation>("moderation", "Who did what, and what is to be looked at.")
      .input<Comment>("comments", "Comments with a verdict.")
      .input<Edit>("edits", "Edits of wiki pages.")
      .output<Activity>("activity", "One for each comment and each edit.")
      .output<Alert>("alerts", "One for each that a moderator should see.")
      .option("spam_per_10000_min", &Options::spam_per_10000_min,
              "A comment that is spam with at least this confidence is an alert.", {0, 10'000})
      .option("deleted_min", &Options::deleted_min,
              "An anonymous edit that removes at least this many bytes is an alert.");
}

}  // namespace stages::moderation
