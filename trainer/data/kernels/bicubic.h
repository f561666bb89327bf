// Resizes pixels as TensorFlow's ResizeBicubic does without half_pixel_centers, and
// mirrors them on the way.
#ifndef TRAINER_DATA_KERNELS_BICUBIC_H_
#define TRAINER_DATA_KERNELS_BICUBIC_H_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

// The loops below are compiled for several generations of processors; the newest one
// that the machine has is taken when the library is loaded.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define TRAINER_FOR_EACH_PROCESSOR \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TRAINER_FOR_EACH_PROCESSOR
#endif

namespace trainer {

constexpr int kChannels = 3;

// Output rows that are made at once. They lie side by side until their columns are
// resized: [pixel][row][red, green, blue, nothing], so that one addition is for all.
constexpr int kRows = 4;
constexpr int kLanes = 4;
constexpr int kBlock = kRows * kLanes;

typedef float Pixel __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
typedef float Block __attribute__((vector_size(kBlock * 4), aligned(4), may_alias));

// The four input rows or columns that an output one is made of.
struct Taps {
  std::array<int, 4> positions;
  std::array<float, 4> weights;
};

// Keys' kernel with a = -0.75 at 1,024 places between two pixels, as in TensorFlow's
// core/kernels/image/resize_bicubic_op.cc. Source of the form: Keys 1981, "Cubic
// convolution interpolation for digital image processing", whose own choice is -0.5.
class CubicKernel {
 public:
  static constexpr int kPlaces = 1024;

  CubicKernel() {
    for (int place = 0; place <= kPlaces; ++place) {
      const double near = static_cast<double>(place) / kPlaces;
      const double far = near + 1;
      near_[place] = ((kA + 2) * near - (kA + 3)) * near * near + 1;
      far_[place] = ((kA * far - 5 * kA) * far + 8 * kA) * far - 4 * kA;
    }
  }

  // Weights of the pixels at -1, 0, 1 and 2 for a place between 0 and 1.
  std::array<float, 4> At(int place) const {
    return {far_[place], near_[place], near_[kPlaces - place], far_[kPlaces - place]};
  }

 private:
  static constexpr double kA = -0.75;
  std::array<float, kPlaces + 1> near_;
  std::array<float, kPlaces + 1> far_;
};

// Which of `input_size` rows make up each of `output_size` ones. Corners fall on
// corners' upper left, as TensorFlow 1 placed them; beyond the edge is the edge's pixel.
inline void FindTaps(int input_size, int output_size, std::vector<Taps>* taps) {
  static const CubicKernel* const kernel = new CubicKernel;
  taps->resize(output_size);
  const float scale = static_cast<float>(input_size) / output_size;
  for (int output = 0; output < output_size; ++output) {
    const float location = output * scale;
    const int start = static_cast<int>(location);
    Taps& found = (*taps)[output];
    found.weights = kernel->At(std::lrintf((location - start) * CubicKernel::kPlaces));
    for (int tap = 0; tap < 4; ++tap) {
      found.positions[tap] = std::clamp(start - 1 + tap, 0, input_size - 1);
    }
  }
}

// One output row before its columns are resized: the weighted sum of four input rows of
// `size` bytes.
TRAINER_FOR_EACH_PROCESSOR
inline void MixRows(const uint8_t* __restrict first, const uint8_t* __restrict second,
                    const uint8_t* __restrict third, const uint8_t* __restrict fourth,
                    const std::array<float, 4>& weights, int size,
                    float* __restrict mixed) {
  const auto [a, b, c, d] = weights;
  for (int at = 0; at < size; ++at) {
    mixed[at] = a * first[at] + b * second[at] + c * third[at] + d * fourth[at];
  }
}

// Puts such a row among the kRows that are resized together.
TRAINER_FOR_EACH_PROCESSOR
inline void Interleave(const float* __restrict mixed, int width, float* __restrict rows) {
  for (int at = 0; at < width; ++at) {
    *reinterpret_cast<Pixel*>(rows + int64_t{kBlock} * at) =
        *reinterpret_cast<const Pixel*>(mixed + kChannels * at);
  }
}

// kRows output rows of `image_size` pixels from as many mixed ones.
TRAINER_FOR_EACH_PROCESSOR
inline void MixColumns(const float* __restrict rows, const Taps* taps, int image_size,
                       bool is_mirrored, float* __restrict output) {
  const int row_size = image_size * kChannels;
  for (int column = 0; column < image_size; ++column) {
    const Taps& from = taps[is_mirrored ? image_size - 1 - column : column];
    Block sum{};
    for (int tap = 0; tap < 4; ++tap) {
      sum += from.weights[tap] *
             *reinterpret_cast<const Block*>(rows + int64_t{kBlock} * from.positions[tap]);
    }
    Pixel pixels[kRows];
    std::memcpy(pixels, &sum, sizeof(sum));
    float* at = output + column * kChannels;
    if (column < image_size - 1) {
      // The gap goes where the next pixel will be.
      for (int row = 0; row < kRows; ++row, at += row_size) {
        *reinterpret_cast<Pixel*>(at) = pixels[row];
      }
    } else {
      for (int row = 0; row < kRows; ++row, at += row_size) {
        std::memcpy(at, &pixels[row], kChannels * sizeof(float));
      }
    }
  }
}

// Makes room for `size` elements. One that is there already costs nothing, where
// `resize` would clear what it had cut off before.
template <typename Element>
void Grow(size_t size, std::vector<Element>* buffer) {
  if (buffer->size() < size) buffer->resize(size);
}

// Memory that one thread needs, kept from picture to picture.
struct ResizeBuffers {
  std::vector<Taps> row_taps;
  std::vector<Taps> column_taps;
  std::vector<float> mixed;
  std::vector<float> rows;
};

// Makes float32 [image_size, image_size, 3] of uint8 [height, width, 3], whose rows are
// `row_bytes` apart. image_size is kRows at least, height and width 1.
inline void Resize(const uint8_t* pixels, int64_t row_bytes, int height, int width,
                   int image_size, bool is_mirrored, ResizeBuffers* buffers,
                   float* output) {
  FindTaps(height, image_size, &buffers->row_taps);
  FindTaps(width, image_size, &buffers->column_taps);
  const int size = width * kChannels;
  // The last pixel is read with a float behind it.
  Grow(size_t{1} * size + 1, &buffers->mixed);
  Grow(size_t{1} * width * kBlock, &buffers->rows);
  for (int start = 0; start < image_size; start += kRows) {
    // The last rows come a second time where there are not kRows of them left.
    const int first = std::min(start, image_size - kRows);
    for (int row = 0; row < kRows; ++row) {
      const auto& [positions, weights] = buffers->row_taps[first + row];
      MixRows(pixels + positions[0] * row_bytes, pixels + positions[1] * row_bytes,
              pixels + positions[2] * row_bytes, pixels + positions[3] * row_bytes,
              weights, size, buffers->mixed.data());
      Interleave(buffers->mixed.data(), width, buffers->rows.data() + row * kLanes);
    }
    MixColumns(buffers->rows.data(), buffers->column_taps.data(), image_size,
               is_mirrored, output + int64_t{first} * image_size * kChannels);
  }
}

}  // namespace trainer

#endif  // TRAINER_DATA_KERNELS_BICUBIC_H_
