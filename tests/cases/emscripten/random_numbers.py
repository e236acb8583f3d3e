"""Random numbers: reproducible with a seed, different without."""
import os
import random
import secrets
import uuid

random.seed(42)
print(random.random(), random.randint(1, 100), random.choice("abc"), random.sample(range(100), 5), random.gauss(0, 1))
print(random.Random("text").getrandbits(64), random.Random(7).shuffle([1, 2]), random.Random(1).choices([1, 2, 3], [1, 1, 5], k=5))
print(len({random.Random().random() for _ in range(50)}), len({random.SystemRandom().random() for _ in range(50)}))
print(len({os.urandom(8) for _ in range(50)}), len(os.urandom(100_000)), len(set(os.urandom(10_000))) > 250, os.urandom(0))
print(len(secrets.token_hex(8)), len({uuid.uuid4() for _ in range(50)}), uuid.uuid5(uuid.NAMESPACE_DNS, "python.org"))
print(hasattr(os, "getrandom") and len(os.getrandom(5)) or 5, hash("text") == hash("text"))
