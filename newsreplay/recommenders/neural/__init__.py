"""Neural news recommenders that learn in the stream.

The models (`nrms`, `naml`, `lstur`, `tanr`, `caum`, `pprec`, `awrs`, `crown`, `fim`, `nrms_bert`, `punr`, `nrms_im`,
`fim_im`, `gru4rec`, `sasrec`, `narm`, `stamp`, `mccm`, `dssm`, `unbert`, `amm`) are `torch.nn.Module`s that can be used
outside a replay, too; `recommenders.recommender_of` makes a recommender of any.
torch is an extra: `pip install "newsreplay[neural]"`.
"""
