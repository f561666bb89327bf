// DecodeJpegWindows: JPEGs -> a batch of pictures of the network's size, each of a
// window of its own, mirrored or not, in as many threads as asked for.
//
// Decodes by TensorFlow's own function, with the flags of its op DecodeAndCropJpeg, so
// that pixels are the same to the bit.
#include <algorithm>
#include <atomic>
#include <functional>
#include <vector>

#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "absl/synchronization/blocking_counter.h"
#include "tensorflow/core/lib/core/threadpool.h"
#include "tensorflow/core/lib/jpeg/jpeg_mem.h"
#include "bicubic.h"

namespace trainer {
namespace {

namespace tf = tensorflow;

REGISTER_OP("TrainerDecodeJpegWindows")
    .Input("encoded: string")
    .Input("windows: int32")
    .Input("are_mirrored: bool")
    .Output("pictures: float")
    .Attr("image_size: int >= 4")
    .Attr("num_threads: int >= 1")
    .SetShapeFn([](tf::shape_inference::InferenceContext* context) {
      int64_t side;
      TF_RETURN_IF_ERROR(context->GetAttr("image_size", &side));
      const auto batch = context->Dim(context->input(0), 0);
      context->set_output(0, context->MakeShape({batch, side, side, kChannels}));
      return absl::OkStatus();
    });

struct Window {
  int top, left, height, width;
};

// Whether `size` rows or columns from `start` on are among `whole` ones.
bool IsPart(int start, int size, int whole) {
  return start >= 0 && size >= 1 && start <= whole - size;
}

// What a thread keeps from picture to picture.
struct Buffers {
  // More is given back: one huge picture should not cost its size in every thread.
  static constexpr size_t kMaxKeptBytes = size_t{64} << 20;

  std::vector<uint8_t> pixels;
  ResizeBuffers resize;
};

// Columns of a block whose colour has half the columns, as nearly all JPEGs have it.
constexpr int kBlockColumns = 16;

// Writes the picture of a window; false if the bytes do not decode, or if the window is
// not within them.
bool DecodeWindow(const tf::tstring& encoded, const Window& window, int image_size,
                  bool is_mirrored, Buffers* buffers, float* picture) {
  int height, width;
  if (!tf::jpeg::GetImageInfo(encoded.data(), encoded.size(), &width, &height,
                              nullptr) ||
      !IsPart(window.top, window.height, height) ||
      !IsPart(window.left, window.width, width)) {
    return false;
  }
  // A column more on each side: libjpeg-turbo interpolates colour that has half the
  // columns from the neighbours, and has none beyond the columns that it was asked for.
  // From the start of a block on, rows need no copy to where they are wanted.
  const int start = std::max(window.left - 1, 0) / kBlockColumns * kBlockColumns;
  const int end = std::min(window.left + window.width + 1, width);
  tf::jpeg::UncompressFlags flags;
  flags.components = kChannels;
  flags.dct_method = JDCT_IFAST;  // What the op has without its attribute dct_method.
  flags.crop = true;
  flags.crop_x = start;
  flags.crop_y = window.top;
  flags.crop_width = end - start;
  flags.crop_height = window.height;
  const auto allocate = [&](int columns, int rows, int channels) {
    Grow(size_t{1} * columns * rows * channels, &buffers->pixels);
    return buffers->pixels.data();
  };
  const uint8_t* pixels = tf::jpeg::Uncompress(encoded.data(), encoded.size(), flags,
                                               nullptr, allocate);
  if (pixels == nullptr) return false;
  const int row_bytes = (end - start) * kChannels;
  Resize(pixels + (window.left - start) * kChannels, row_bytes, window.height,
         window.width, image_size, is_mirrored, &buffers->resize, picture);
  if (buffers->pixels.size() > Buffers::kMaxKeptBytes) buffers->pixels = {};
  return true;
}

class DecodeJpegWindows : public tf::OpKernel {
 public:
  explicit DecodeJpegWindows(tf::OpKernelConstruction* context)
      : tf::OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("image_size", &image_size_));
    OP_REQUIRES_OK(context, context->GetAttr("num_threads", &num_threads_));
  }

  void Compute(tf::OpKernelContext* context) override {
    const tf::Tensor& encoded = context->input(0);
    const tf::Tensor& windows = context->input(1);
    const tf::Tensor& are_mirrored = context->input(2);
    OP_REQUIRES(context, encoded.dims() == 1,
                absl::InvalidArgumentError("encoded is [batch]"));
    const int64_t num_pictures = encoded.dim_size(0);
    OP_REQUIRES(context, windows.shape() == tf::TensorShape({num_pictures, 4}),
                absl::InvalidArgumentError("windows are [batch, 4]"));
    OP_REQUIRES(context, are_mirrored.shape() == encoded.shape(),
                absl::InvalidArgumentError("are_mirrored is [batch]"));
    tf::Tensor* pictures = nullptr;
    const tf::TensorShape shape({num_pictures, image_size_, image_size_, kChannels});
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &pictures));

    const auto all_encoded = encoded.vec<tf::tstring>();
    const auto all_windows = windows.matrix<int>();
    const auto all_mirrored = are_mirrored.vec<bool>();
    float* const output = pictures->flat<float>().data();
    const int64_t picture_size = int64_t{image_size_} * image_size_ * kChannels;
    std::atomic<int64_t> next = 0;
    std::atomic<bool> have_failed = false;
    const auto decode = [&] {
      thread_local Buffers buffers;
      int64_t at;
      while ((at = next++) < num_pictures && !have_failed) {
        const Window window{all_windows(at, 0), all_windows(at, 1), all_windows(at, 2),
                            all_windows(at, 3)};
        if (!DecodeWindow(all_encoded(at), window, image_size_, all_mirrored(at),
                          &buffers, output + at * picture_size)) {
          have_failed = true;
        }
      }
    };
    RunInThreads(std::min<int64_t>(num_threads_, num_pictures), decode);
    OP_REQUIRES(context, !have_failed,
                absl::InvalidArgumentError("Invalid JPEG data or crop window."));
  }

 private:
  // Runs it so many times at once, and waits for all. The threads are none of
  // TensorFlow's: there the ops of a step would wait behind pictures.
  void RunInThreads(int num_times, const std::function<void()>& run) {
    static tf::thread::ThreadPool* const threads =
        new tf::thread::ThreadPool(tf::Env::Default(), "decode_jpegs", num_threads_);
    absl::BlockingCounter num_running(num_times);
    for (int time = 0; time < num_times; ++time) {
      threads->Schedule([&] {
        run();
        num_running.DecrementCount();
      });
    }
    num_running.Wait();
  }

  int image_size_;
  int num_threads_;
};

REGISTER_KERNEL_BUILDER(
    Name("TrainerDecodeJpegWindows").Device(tf::DEVICE_CPU), DecodeJpegWindows);

}  // namespace
}  // namespace trainer
