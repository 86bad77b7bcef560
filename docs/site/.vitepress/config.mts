import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitepress'

const menu = JSON.parse(readFileSync(new URL('../.content/menu.json', import.meta.url), 'utf8'))

export default defineConfig({
  title: 'Tandem',
  description: 'A Fastify service on PostgreSQL and MongoDB whose replies never lie, and the plugins it is made of.',
  srcDir: '.content',
  outDir: 'dist',
  cleanUrls: true,
  lastUpdated: false,
  markdown: {
    config (md) {
      // The pages are plain Markdown: what looks like HTML in them is meant to be read.
      md.set({ html: false })
      const { fence } = md.renderer.rules
      md.renderer.rules.fence = (tokens, index, ...rest) =>
        tokens[index].info.trim() === 'mermaid'
          ? `<Mermaid code="${encodeURIComponent(tokens[index].content)}" />`
          : fence!(tokens, index, ...rest)
      const { text } = md.renderer.rules
      md.renderer.rules.text = (...args) => text!(...args).replaceAll('{{', '&#123;&#123;')
    }
  },
  vite: { build: { chunkSizeWarningLimit: 3000 } },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Start', link: '/start' },
      { text: 'Promises', link: '/promises/1-replies-never-lie' },
      { text: 'Packages', link: '/packages/transaction/' },
      { text: 'Figures', link: '/performance' }
    ],
    sidebar: menu
  }
})
